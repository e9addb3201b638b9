"""From an API key to a principal."""

from zoho_pipeline.channels.platform.keys import CachedKeys
from zoho_pipeline.web.auth.principal import Principal
from zoho_pipeline.web.http.problems import Problem

TENANT_HEADER = "Zoho-Pipeline-Tenant"


def principal_of_key(keys: CachedKeys, presented: str, tenant: str | None) -> Principal:
    """The caller with this key.

    Args:
        tenant: the value of the header `Zoho-Pipeline-Tenant`; a key of several tenants needs it.

    Raises:
        Problem: `unauthenticated`, `tenant_required` or `forbidden`.
    """
    key = keys.find(presented)
    if key is None:
        raise Problem("unauthenticated", "The API key is unknown, revoked or ended.")
    if tenant is None:
        if key.tenants is None or len(key.tenants) != 1:
            raise Problem("tenant_required", f"This key acts in several tenants. Name one in {TENANT_HEADER}.")
        tenant = key.tenants[0]
    elif key.tenants is not None and tenant not in key.tenants:
        raise Problem("forbidden", f"This key does not act in the tenant of {TENANT_HEADER}.")
    scopes = frozenset(key.scopes)
    return Principal("key", f"key:{key.id}", tenant, scopes, expires_at=key.expires_at, key_id=key.id)
