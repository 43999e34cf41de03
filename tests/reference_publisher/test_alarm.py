import logging

import pytest

from fulfillment_conformance.reference_publisher.alarm import Alarm


def test_a_trouble_is_logged_once_and_shown_until_it_is_over(caplog: pytest.LogCaptureFixture) -> None:
    alarm = Alarm()

    alarm.sound("token", "expired")
    alarm.sound("token", "expired")
    assert alarm.troubles == {"token": "expired"}
    assert [record.levelno for record in caplog.records] == [logging.CRITICAL]

    alarm.sound("token", "refused")
    alarm.over("token")
    alarm.over("token")
    assert alarm.troubles == {}
    assert [record.levelno for record in caplog.records][1:] == [logging.CRITICAL, logging.WARNING]
