"""Telling the operator that something needs a human: expired secrets, refused credentials."""

import logging

logger = logging.getLogger(__name__)


class Alarm:
    """What is wrong at present. Each new trouble is logged once as critical; the health page shows it until over."""

    def __init__(self) -> None:
        self._troubles: dict[str, str] = {}

    def sound(self, subject: str, trouble: str) -> None:
        """Report a trouble; its text must hold no secret."""
        if self._troubles.get(subject) != trouble:
            logger.critical("%s: %s", subject, trouble)
        self._troubles[subject] = trouble

    def over(self, subject: str) -> None:
        """Note that a trouble is gone."""
        if self._troubles.pop(subject, None) is not None:
            logger.warning("%s: works again", subject)

    @property
    def troubles(self) -> dict[str, str]:
        """Present troubles by subject."""
        return dict(self._troubles)
