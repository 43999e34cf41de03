"""How the marketplace says no."""


class Refused(Exception):  # noqa: N818 - a refusal is an answer, not an error
    """A command or request that the marketplace does not carry out; nothing has changed.

    `status` is the HTTP status of the Fulfillment API: 400, 403, 404, 409, and 500 where the live service breaks down.
    `code` is a short machine-readable reason, `message` a sentence with the value at fault and what was expected.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
