"""Judging Microsoft's live service without hurting it: what may be touched, how it is put back, who is to blame.

section      the part `live:` of a target file
guard        which requests may be sent at all
ledger       what was sent and changed, on disk, shared by all processes: budget, pace, undo plan
http         the one way out: guard, kill switch, budget, pace, Retry-After, journal
undo         puts plans and seats back
entra        access tokens by msal over that one way
diagnosis    usual failures in words that name the field to change
situations   what tests ask for, looked up among what exists
rehearsal    a stand-in of the live service for dry runs
opening      all of it put together
inventory    what the account has, and a proposal for the section
listener     a landing page and a webhook that catch what the live service sends
"""
