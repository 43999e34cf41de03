"""What the suite plays when a marketplace is judged: the publisher's back end.

`client` calls the Fulfillment API, `tokens` gets access tokens for it, `receiver` is the connection webhook.
"""
