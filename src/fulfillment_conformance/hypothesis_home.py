"""Lets hypothesis make its choices from the seed alone, wherever this package is installed.

Hypothesis also tries constants that it finds in the source of modules outside of site-packages. From a checkout that is
this whole package, so the same seed would lead to other calls than from an installed package, and a tenth of a run
would go into reading source. Should hypothesis look for them by another name one day, it finds them again.
"""

from pathlib import Path

from hypothesis.configuration import set_hypothesis_home_dir
from hypothesis.internal.conjecture import providers
from hypothesis.internal.constants_ast import Constants

from fulfillment_conformance import codec_tables


def settle(home: Path) -> None:
    """Give hypothesis a home folder, with what it would have to find out first, and no source to look into.

    Raises:
        OSError: the folder cannot be written.
    """
    codec_tables.put_into(home)
    set_hypothesis_home_dir(home)
    setattr(providers, "_get_local_constants", Constants)  # noqa: B010
