import json
import os
import shlex
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fulfillment_conformance import evidence
from fulfillment_conformance.errors import UsageProblem
from fulfillment_conformance.evidence import BODY_LIMIT, MOST_HEADERS, Recorder, curl, merge, read_exchanges, redacted
from fulfillment_conformance.exchange import Exchange
from fulfillment_conformance.redaction import Redactor

KEY = b"0123456789abcdef"
NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
CANARY = "canary-7f3a9-secret"


def exchange(**changes: Any) -> Exchange:
    values: dict[str, Any] = {
        "sender": "suite",
        "receiver": "marketplace",
        "method": "POST",
        "url": "http://127.0.0.1:8080/api/saas/subscriptions/resolve?api-version=2018-08-31",
        "request_headers": (("Content-Type", "application/json"),),
        "request_body": b'{"a":1}',
        "status": 200,
        "response_headers": (("Content-Type", "application/json"),),
        "response_body": b'{"id":"1"}',
        "seconds": 0.01234567,
        "at": NOON,
    }
    return Exchange(**{**values, **changes})


def recorded(path: Path, *exchanges: Exchange, redactor: Redactor | None = None, prefix: str = "") -> None:
    with Recorder(path, redactor or Redactor(key=KEY), prefix=prefix) as recorder:
        for one in exchanges:
            recorder(one)


class TestRecorder:
    def test_exchanges_are_numbered_and_named_after_the_test(self, tmp_path: Path) -> None:
        path = tmp_path / "new" / "exchanges.jsonl"
        with Recorder(path, Redactor()) as recorder:
            recorder.test = "test_one"
            recorder(exchange())
            recorder.test = "test_two"
            recorder(exchange())

            assert recorder.take_numbers() == ("1", "2")
            assert recorder.take_numbers() == ()

        assert [(one["number"], one["test"]) for one in read_exchanges(path)] == [("1", "test_one"), ("2", "test_two")]

    def test_a_prefix_keeps_workers_apart(self, tmp_path: Path) -> None:
        recorded(tmp_path / "x.jsonl", exchange(), prefix="gw0-")

        assert [one["number"] for one in read_exchanges(tmp_path / "x.jsonl")] == ["gw0-1"]

    def test_a_number_that_was_given_stays(self) -> None:
        recorder = Recorder(None, Redactor())
        recorder(exchange(number="7"))

        assert recorder.take_numbers() == ("7",)

    def test_without_a_file_it_only_numbers(self) -> None:
        one = exchange()
        with Recorder(None, Redactor()) as recorder:
            recorder(one)

        assert one.number == "1"

    def test_after_closing_it_only_numbers(self, tmp_path: Path) -> None:
        recorder = Recorder(tmp_path / "x.jsonl", Redactor())
        recorder.close()
        recorder(exchange())
        recorder.close()

        assert recorder.take_numbers() == ("1",)
        assert list(read_exchanges(tmp_path / "x.jsonl")) == []

    def test_every_line_is_on_disk_before_the_next_exchange(self, tmp_path: Path) -> None:
        with Recorder(tmp_path / "x.jsonl", Redactor()) as recorder:
            for count in (1, 2, 3):
                recorder(exchange())
                assert len(list(read_exchanges(tmp_path / "x.jsonl"))) == count

    def test_the_last_exchanges_can_be_had_again(self, tmp_path: Path) -> None:
        with Recorder(tmp_path / "x.jsonl", Redactor([CANARY])) as recorder:
            for _ in range(105):
                recorder(exchange(purpose=CANARY))

            assert [one["number"] for one in recorder.recent(["3", "50", "105", "106"])] == ["50", "105"]
            assert CANARY not in str(recorder.recent(["105"]))

    def test_threads_do_not_mix_their_lines(self, tmp_path: Path) -> None:
        with Recorder(tmp_path / "x.jsonl", Redactor()) as recorder:

            def record() -> None:
                for _ in range(20):
                    recorder(exchange(response_body=b"x" * 3000))

            threads = [threading.Thread(target=record) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

        assert {one["number"] for one in read_exchanges(tmp_path / "x.jsonl")} == {str(n) for n in range(1, 81)}

    def test_once_there_is_plenty_less_is_kept_of_each(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(evidence, "PLENTY", 10)
        long = exchange(response_body=b"x" * BODY_LIMIT, response_headers=(("content-type", "text/plain"),) * 100)
        recorded(tmp_path / "e", long, long, exchange())

        first, second, third = [one["response"] for one in read_exchanges(tmp_path / "e")]
        assert (len(first["body"]), "bodyCutAt" in first) == (BODY_LIMIT, False)
        assert (len(second["body"]), second["bodySize"]) == (BODY_LIMIT // 10, BODY_LIMIT)
        assert (len(second["headers"]), second["headersSize"]) == (MOST_HEADERS // 10, 100)
        assert third["body"] == '{"id": "1"}'

    def test_a_folder_that_cannot_be_written_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")

        with pytest.raises(UsageProblem, match="--output") as error:
            Recorder(tmp_path / "file" / "exchanges.jsonl", Redactor())

        assert str(tmp_path / "file") in str(error.value)


class TestRedacted:
    def test_an_exchange_becomes_json_data(self) -> None:
        one = exchange(number="3", purpose="resolve", virtual_at=NOON + timedelta(days=30))

        assert redacted(one, Redactor(key=KEY), test="test_one", run="1-3f9a") == {
            "run": "1-3f9a",
            "number": "3",
            "test": "test_one",
            "sender": "suite",
            "receiver": "marketplace",
            "purpose": "resolve",
            "at": "2026-11-22T12:00:00+00:00",
            "virtualAt": "2026-12-22T12:00:00+00:00",
            "seconds": 0.0123,
            "request": {
                "method": "POST",
                "url": "http://127.0.0.1:8080/api/saas/subscriptions/resolve?api-version=2018-08-31",
                "headers": [["Content-Type", "application/json"]],
                "body": '{"a": 1}',
            },
            "response": {"status": 200, "headers": [["Content-Type", "application/json"]], "body": '{"id": "1"}'},
            "error": None,
        }

    def test_no_answer_is_null_with_its_error(self) -> None:
        told = redacted(exchange(status=None, error="ConnectError: refused"), Redactor())

        assert told["response"] is None
        assert told["error"] == "ConnectError: refused"

    def test_an_answer_that_did_not_come_whole_is_kept_as_far_as_it_came(self) -> None:
        data = redacted(exchange(status=None, began=200, error="ReadError"), Redactor(key=KEY))

        assert data["response"] is None
        assert data["began"] == {
            "status": 200,
            "headers": [["Content-Type", "application/json"]],
            "body": '{"id": "1"}',
        }
        assert "began" not in redacted(exchange(), Redactor(key=KEY))

    def test_of_very_many_headers_the_first_are_kept(self) -> None:
        many = tuple((f"x-{number}", "1") for number in range(MOST_HEADERS + 1))

        headers = redacted(exchange(response_headers=many), Redactor(key=KEY))["response"]

        assert headers["headers"][-1] == [f"x-{MOST_HEADERS - 1}", "1"]
        assert (headers["headersCutAt"], headers["headersSize"]) == (MOST_HEADERS, MOST_HEADERS + 1)

    def test_a_canary_in_any_part_is_nowhere(self) -> None:
        redactor = Redactor([CANARY], key=KEY)
        everywhere = exchange(
            url=f"http://u:{CANARY}@h/{CANARY}?x={CANARY}#{CANARY}",
            request_headers=((f"x-{CANARY}", CANARY), ("authorization", f"Bearer {CANARY}")),
            request_body=json.dumps({CANARY: [CANARY]}).encode(),
            response_headers=(("set-cookie", f"a={CANARY}; {CANARY}"),),
            response_body=f"<p title='{CANARY}'>".encode(),
            error=f"said {CANARY}",
            purpose=f"because of {CANARY}",
        )

        assert CANARY not in json.dumps(redacted(everywhere, redactor))

    @settings(deadline=None)
    @given(body=st.binary(max_size=100), url=st.text(max_size=30), error=st.text(max_size=30) | st.none())
    def test_whatever_a_target_sends_can_be_recorded_and_read_again(
        self, tmp_path_factory: pytest.TempPathFactory, body: bytes, url: str, error: str | None
    ) -> None:
        path = tmp_path_factory.getbasetemp() / f"any-{os.getpid()}.jsonl"
        one = exchange(response_body=body, url=url, error=error, response_headers=(("x", url),))
        recorded(path, one)

        [told] = read_exchanges(path)

        assert told == json.loads(json.dumps(redacted(one, Redactor(key=KEY))))

    def test_half_a_surrogate_pair_can_be_recorded(self, tmp_path: Path) -> None:
        recorded(tmp_path / "x.jsonl", exchange(response_body=b'{"name": "\\ud83d"}', url="http://h/\udc80"))

        [told] = read_exchanges(tmp_path / "x.jsonl")

        assert told["response"]["body"] == '{"name": "\ud83d"}'
        assert told["request"]["url"] == "http://h/\udc80"


class TestBodies:
    def test_a_body_at_the_limit_is_whole(self) -> None:
        told = redacted(exchange(response_body=b"x" * BODY_LIMIT, response_headers=()), Redactor())["response"]

        assert told["body"] == "x" * BODY_LIMIT
        assert "bodySize" not in told

    def test_a_longer_body_is_cut_and_says_so(self) -> None:
        body = "é".encode() * (BODY_LIMIT + 1)

        told = redacted(exchange(response_body=body, response_headers=()), Redactor())["response"]

        assert told["body"] == "é" * BODY_LIMIT
        assert told["bodyCutAt"] == BODY_LIMIT
        assert told["bodySize"] == len(body)

    @pytest.mark.parametrize("shift", [0, 1, 2, 3])
    def test_a_body_of_megabytes_is_cut_between_characters(self, shift: int) -> None:
        body = b"x" * shift + "🔑".encode() * 400_000

        told = redacted(exchange(response_body=body, response_headers=()), Redactor())["response"]

        assert told["body"].startswith("x" * shift + "🔑")
        assert len(told["body"]) == BODY_LIMIT
        assert told["bodySize"] == len(body)

    def test_cutting_leaves_no_half_of_a_secret(self) -> None:
        secret = "s3cret-" * 40
        redactor = Redactor([secret], key=KEY)
        for filling in (BODY_LIMIT - 100, 16 * BODY_LIMIT - 100):
            body = b" " * filling + secret.encode() * 20

            told = redacted(exchange(response_body=body, response_headers=()), redactor)["response"]["body"]

            assert "s3cret" not in told

    def test_secrets_that_shrink_do_not_bring_the_cut_into_sight(self) -> None:
        secret = "s3cret-" * 2000
        body = secret.encode() * 200

        told = redacted(exchange(response_body=body, response_headers=()), Redactor([secret]))["response"]

        assert "s3cret" not in told["body"]
        assert told["bodySize"] == len(body)

    def test_json_that_was_cut_is_redacted_by_field(self) -> None:
        body = json.dumps({"access_token": CANARY, "filling": "x" * 17 * BODY_LIMIT}).encode()

        assert CANARY not in redacted(exchange(response_body=body), Redactor())["response"]["body"]


class TestReading:
    def test_a_last_line_that_was_cut_off_is_left_out(self, tmp_path: Path) -> None:
        path = tmp_path / "x.jsonl"
        recorded(path, exchange(purpose="one"), exchange(purpose="zwei: ü"))
        whole = path.read_bytes()

        for length in range(len(whole)):
            path.write_bytes(whole[:length])
            numbers = [one["number"] for one in read_exchanges(path)]
            assert numbers == (["1"] if length >= whole.index(b"\n") + 1 else [])

    @pytest.mark.parametrize("line", ["{broken", "[]", "17", '"text"', "{}", '{"number": "1"}', ""])
    def test_a_damaged_line_is_named(self, tmp_path: Path, line: str) -> None:
        path = tmp_path / "x.jsonl"
        recorded(path, exchange())
        path.write_text(path.read_text() + line + "\n")

        with pytest.raises(UsageProblem, match=r"x\.jsonl:2 is not a recorded exchange"):
            list(read_exchanges(path))

    def test_bytes_that_are_not_utf_8_are_named(self, tmp_path: Path) -> None:
        (tmp_path / "x.jsonl").write_bytes(b"\xff\xfe\n")

        with pytest.raises(UsageProblem, match=r"x\.jsonl:1"):
            list(read_exchanges(tmp_path / "x.jsonl"))

    def test_a_missing_file_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(UsageProblem, match=r"nowhere\.jsonl: No such file"):
            list(read_exchanges(tmp_path / "nowhere.jsonl"))


class TestMerging:
    def test_the_exchanges_of_workers_come_in_the_order_of_time(self, tmp_path: Path) -> None:
        times = [NOON + timedelta(milliseconds=offset) for offset in (0, 1, 2, 3, 1000)]
        parts = [tmp_path / "exchanges.gw0.jsonl", tmp_path / "exchanges.gw1.jsonl"]
        recorded(parts[0], exchange(at=times[3]), exchange(at=times[0]), exchange(at=times[4]), prefix="gw0-")
        recorded(parts[1], exchange(at=times[1]), exchange(at=times[2]), prefix="gw1-")

        merge(parts, tmp_path / "exchanges.jsonl")

        numbers = [one["number"] for one in read_exchanges(tmp_path / "exchanges.jsonl")]
        assert numbers == ["gw0-2", "gw1-1", "gw1-2", "gw0-1", "gw0-3"]
        assert [path.name for path in tmp_path.iterdir()] == ["exchanges.jsonl"]

    def test_equal_times_keep_the_order_of_their_worker(self, tmp_path: Path) -> None:
        recorded(tmp_path / "a.jsonl", *[exchange() for _ in range(5)], prefix="a")

        merge([tmp_path / "a.jsonl"], tmp_path / "whole.jsonl")

        assert [one["number"] for one in read_exchanges(tmp_path / "whole.jsonl")] == ["a1", "a2", "a3", "a4", "a5"]

    def test_the_file_of_a_worker_that_died_is_taken_as_far_as_it_goes(self, tmp_path: Path) -> None:
        part = tmp_path / "a.jsonl"
        recorded(part, exchange(), exchange())
        part.write_bytes(part.read_bytes()[:-5])

        merge([part], tmp_path / "whole.jsonl")

        assert [one["number"] for one in read_exchanges(tmp_path / "whole.jsonl")] == ["1"]

    def test_the_whole_may_be_one_of_the_parts(self, tmp_path: Path) -> None:
        whole, part = tmp_path / "exchanges.jsonl", tmp_path / "exchanges.gw0.jsonl"
        recorded(whole, exchange(at=NOON))
        recorded(part, exchange(at=NOON - timedelta(1)), prefix="gw0-")

        merge([whole, part], whole)

        assert [one["number"] for one in read_exchanges(whole)] == ["gw0-1", "1"]

    def test_a_damaged_part_loses_nothing(self, tmp_path: Path) -> None:
        good, bad = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
        recorded(good, exchange())
        bad.write_text("{broken\n")

        with pytest.raises(UsageProblem, match=r"b\.jsonl:1"):
            merge([good, bad], tmp_path / "whole.jsonl")

        assert good.exists()
        assert bad.exists()

    def test_no_parts_make_an_empty_file(self, tmp_path: Path) -> None:
        merge([], tmp_path / "whole.jsonl")

        assert list(read_exchanges(tmp_path / "whole.jsonl")) == []


class TestCurl:
    @staticmethod
    def words(**changes: Any) -> list[str]:
        return shlex.split(curl(redacted(exchange(**changes), Redactor(key=KEY))))

    def test_a_request_can_be_repeated(self) -> None:
        words = self.words(
            method="PATCH",
            request_headers=(
                ("Host", "h"),
                ("Content-Length", "7"),
                ("Content-Type", "application/json"),
                ("x-ms-requestid", "it's me"),
            ),
        )

        assert words == [
            *("curl", "-i", "-X", "PATCH", "-H", "Content-Type: application/json", "-H", "x-ms-requestid: it's me"),
            *("--data-raw", '{"a": 1}'),
            "http://127.0.0.1:8080/api/saas/subscriptions/resolve?api-version=2018-08-31",
        ]

    def test_secrets_are_placeholders(self) -> None:
        assert "opaque" not in curl(
            redacted(exchange(request_headers=(("authorization", "Bearer opaque"),)), Redactor())
        )

    def test_placeholders_in_the_address_are_no_ranges_for_curl(self) -> None:
        assert "--globoff" in self.words(url="http://h/?token=abc")
        assert "--globoff" not in self.words(url="http://h/")

    def test_an_empty_header_is_sent_empty(self) -> None:
        words = self.words(request_headers=(("x-ms-marketplace-token", ""),), request_body=b"")

        assert words[4:6] == ["-H", "x-ms-marketplace-token;"]

    def test_curl_adds_no_content_type_of_its_own(self) -> None:
        assert "content-type:" in self.words(request_headers=())
        assert "content-type:" not in self.words(request_headers=(), request_body=b"")

    @pytest.mark.skipif(sys.platform == "win32", reason="a POSIX shell is meant")
    @settings(deadline=None)
    @given(text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r\n"), max_size=40))
    def test_no_text_of_a_target_escapes_the_quotes(self, text: str) -> None:
        words = self.words(request_headers=(("x-text", text),), request_body=text.encode(), url=f"http://h/{text}")

        assert words[:4] == ["curl", "-i", "-X", "POST"]
        assert words[-1].startswith("http://h/")
        assert len(words) - ("--globoff" in words) == (11 if text else 7)


def test_an_exchange_shows_no_secret_when_it_is_printed() -> None:
    shown = repr(
        exchange(
            number="4",
            url=f"http://h/x?token={CANARY}",
            request_headers=(("authorization", CANARY),),
            request_body=CANARY.encode(),
            response_body=CANARY.encode(),
        )
    )

    assert shown == "<Exchange 4 suite to marketplace: POST http://h/x -> 200>"
