"""Sensitive text is found beside Chinese letters, by check digits, and nothing else is taken for it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lepton_fed.portal.entries.sensitive import (
    RULES,
    found,
    is_card_number,
    is_credit_code,
    is_identity_card,
    masked,
)

KNOWN = {
    "张三13812345678或": ("phone", "张三138****5678或"),
    "电话+86 138-1234-5678": ("phone", "电话+86 138****5678"),
    "身份证11010519491231002X。": ("identity_card", "身份证1101****2X。"),
    "代码91350100M000100Y43，": ("credit_code", "代码91****43，"),
    "卡号4111 1111 1111 1111完": ("card", "卡号4111****1111完"),
    "邮箱wang.fang@example.com；": ("email", "邮箱w***@example.com；"),
    "车牌沪A12345停": ("plate", "车牌沪A****5停"),
    "服务器10.20.30.40上": ("address", "服务器****上"),
    "密码：hunter2x。下一句": ("secret", "密码：****。下一句"),
    "token=abcDEF123, then": ("secret", "token=****, then"),
    "联系人：王芳，": ("person", "联系人：王****，"),
    "座机010-62345678转": ("landline", "座机010****78转"),
    "密码: P*ssw0rd!9": ("secret", "密码: ****"),
    "密码：**hunter2**": ("secret", "密码：****"),
    "token=" + "x" * 300 + "*后": ("secret", "token=****"),
    "-----BEGIN RSA PRIVATE KEY-----\nMIG\n**注意**": ("key", "****"),
    "-----BEGIN PRIVATE KEY-----\nMIG\n-----END PRIVATE KEY-----\n后": ("key", "****\n后"),
}

HARMLESS = (
    "密码：****",
    "密码：********",
    "版本 1.2.3.4.5",
    "本机 127.0.0.1 与 0.0.0.0",
    "身份证110105194912310021的校验位不对",
    "订单 4111111111111112",
    "编号 138123456789",
    "忘记密码怎么办？",
    "圆周率 3.14159265358979",
    "# 13800 台设备",
)


@pytest.mark.parametrize(("text", "expected"), KNOWN.items())
def test_what_is_sensitive_is_found_and_masked(text: str, expected: tuple[str, str]) -> None:
    kind, shown = expected
    findings = found(text)
    assert [one.kind for one in findings] == [kind]
    assert masked(text, findings) == shown


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_harmless_is_left_alone(text: str) -> None:
    assert found(text) == ()


@given(st.lists(st.sampled_from([*KNOWN, *HARMLESS]), max_size=6))
def test_what_is_masked_holds_nothing_sensitive_any_more(parts: list[str]) -> None:
    text = "，".join(parts)
    once = masked(text, found(text))
    assert found(once) == ()


def test_a_secret_is_looked_for_across_a_few_blanks_and_never_across_any_number_of_them() -> None:
    assert [one.kind for one in found("password  is  =  hunter2")] == ["secret"]
    assert found("password" + " " * 9 + "= hunter2") == ()
    pattern = next(rule.pattern.pattern for rule in RULES if rule.kind == "secret")
    assert r"\s*" not in pattern
    assert r"\s+" not in pattern


def test_check_digits_tell_a_number_from_one_with_a_wrong_digit() -> None:
    assert is_identity_card("11010519491231002X")
    assert not is_identity_card("110105194912310020")
    assert is_credit_code("91350100M000100Y43")
    assert not is_credit_code("91350100M000100Y44")
    assert is_card_number("6222 0200 0000 0005 ".strip()) == is_card_number("6222020000000005")
    assert is_card_number("4111111111111111")
    assert not is_card_number("4111111111111112")
