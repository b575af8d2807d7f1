"""What a broken connection to the Hub raises."""


def transport_errors() -> tuple[type[BaseException], ...]:
    """Return the errors of the library that huggingface_hub speaks through: requests, later httpx and httpx2."""
    try:
        from huggingface_hub.utils import httpx
    except ImportError:
        import requests

        return (requests.RequestException,)
    return (httpx.TransportError,)
