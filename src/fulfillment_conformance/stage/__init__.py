"""What the suite plays when a publisher is judged: Microsoft, and the people who buy.

`microsoft` is the emulator with everything that reaches it in view; `buyer` opens pages; `publisher` is the service
under test, seen from outside; `customer` is one subscription, with what the publisher made of it.
"""
