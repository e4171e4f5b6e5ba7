"""Signatures of what our code on a worker says, which no text that a function prints can have.

Each call has a secret of its own, which travels with its arguments. What is signed with it was
written by the code that the call sent. Signatures are HMACs (RFC 2104) of what they stand for, so
that neither a signature nor anything else that is printed gives the secret away.
"""

from __future__ import annotations

import hmac
from typing import NoReturn

SECRET_SIZE = 32
NAME_SIZE, SIGNATURE_SIZE = 20, 32  # hexadecimal digits


class Signer:
    """Signs for one call, and verifies. ``name`` is the call's: public, and no other call's.

    The secret is in no ``repr``, and does not pickle.
    """

    __slots__ = ("_secret", "name")

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self.name = self.sign("name")[:NAME_SIZE]

    @classmethod
    def taking(cls, secret: bytearray) -> Signer:
        """The signer of ``secret``, which is wiped: the worker's frames hold it, as an argument,
        for as long as the function runs, and some functions print frames."""
        signer = cls(bytes(secret))
        secret[:] = bytes(len(secret))
        return signer

    def sign(self, kind: str, content: bytes = b"") -> str:
        """The signature of ``content``, which is worth nothing for another ``kind`` of content."""
        signature = hmac.digest(self._secret, b"%b\0%b" % (kind.encode(), content), "sha256")
        return signature.hex()[:SIGNATURE_SIZE]

    def verifies(self, kind: str, content: bytes, signature: str) -> bool:
        """Whether ``signature`` is that of ``content``; takes equally long whatever it is."""
        expected = self.sign(kind, content).encode()
        return hmac.compare_digest(expected, signature.encode("utf-8", "surrogatepass"))

    def __repr__(self) -> str:
        return f"<signer of call {self.name}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("the secret of a call stays in its process")
