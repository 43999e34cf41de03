"""Certificates of readiness: one archive of a run that nobody can change unseen, and its verification.

    readiness      whether a run has decided everything that its set requires
    documents      what the archive says in its own words, made of results, product and installation
    archive        the archive's bytes: a zip file of one form only
    signing        signatures of the statement
    rederivation   single checks, decided again from the recorded exchanges
    evidence       the exchanges of a run as a whole: numbers, times, tests
    verification   all of it, held against an archive

docs/certify.md tells users what is re-derived and what is not.
"""

from fulfillment_conformance.certification.issuing import Certificate, issue
from fulfillment_conformance.certification.verification import Finding, Verification, verify

__all__ = ["Certificate", "Finding", "Verification", "issue", "verify"]
