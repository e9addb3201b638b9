"""The numbers of an answer keep every digit that Zoho sent."""

from decimal import Decimal

import httpx
import pytest

from zoho_pipeline.zoho.connection.responses import read


@pytest.mark.parametrize(
    ("sent", "got"),
    [
        ("1234567890123.123456789", Decimal("1234567890123.123456789")),
        ("-1234567890.1234567", -1234567890.1234567),  # a float gives back each digit
        ("1234.567", 1234.567),
        ("12345678901234.5", 12345678901234.5),
        ("12345678901234567890", 12345678901234567890),
        ('"1234567890123.123456789"', "1234567890123.123456789"),
        ("1.5e3", 1500.0),
    ],
)
def test_each_digit_stays(sent: str, got: object) -> None:
    body = f'{{"data": [{{"Amount": {sent}, "Rate": 0.5, "Name": "a, 12345678901234567.8"}}]}}'.encode()
    response = httpx.Response(
        200, headers={"Content-Type": "application/json"}, request=httpx.Request("GET", "https://x.test/crm")
    )
    answer = read(response, body, "/crm")
    assert answer == {"data": [{"Amount": got, "Rate": 0.5, "Name": "a, 12345678901234567.8"}]}
    assert type(answer["data"][0]["Amount"]) is type(got)
