"""The client of receiptd, a daemon that keeps a signed receipt of every decision. No receipt, no action."""
from .aio import AsyncClient
from .breaker import BreakerOptions
from .chain import AsyncChain, Chain, ChainApproval, ChainEvent
from .client import Client
from .decision import default_async_client, default_client, receipt
from .errors import DecisionBlocked, ReceiptError, ReceiptNotFound, ReceiptRefused, ReceiptUnavailable
from .models import Acknowledgement, Found, Queued, Said, Verification, Waited
from .pseudonym import hashed, pseudonym
from .spool_sender import Undelivered
from .uuid7 import uuid7

__all__ = [
    "Acknowledgement", "AsyncChain", "AsyncClient", "BreakerOptions", "Chain", "ChainApproval", "ChainEvent", "Client", "DecisionBlocked", "Found", "Queued",
    "ReceiptError", "ReceiptNotFound", "ReceiptRefused", "ReceiptUnavailable", "Said", "Undelivered", "Verification", "Waited",
    "default_async_client", "default_client", "hashed", "pseudonym", "receipt", "uuid7",
]
