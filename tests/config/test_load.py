"""Whatever is wrong with a file, its reader says so in one sentence that names file, line, key and remedy."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from lepton_fed.config import Federation
from lepton_fed.config.load import load
from lepton_fed.errors import ConfigError
from tests.config.example import Tree, valid, write
from tests.speaking import told_in_chinese

TEXT = """\
[federation]
name = "制造联邦"
purpose = "Predict machine failures"
seed = 7

[[departments]]
name = "生产车间"

[[departments]]
name = "质检部门"
roles = ["source", "target"]

[[sharing]]
what = "updates"
from = ["*"]
to = ["*"]

[[access]]
what = "updates"
who = ["*"]
action = "train"

[data]
columns = [
    { name = "温度", range = [200, 400] },
]

[data.label]
meaning = "the machine fails"
classes = ["0", "1"]

[model]
name = "mlp"

[coupling]
lambda = 0.5

[weights]
alpha = { "生产车间" = 1, "质检部门" = 2 }
"""


def sentence(tmp_path: Path, text: str) -> str:
    """The one sentence about a file, without the folder."""
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        Federation.load(path)
    assert "\n" not in str(caught.value)
    told_in_chinese(caught.value)
    return str(caught.value).removeprefix(f"{tmp_path}/")


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("[aggregation]\nsecur = false", "line 42: unknown key `aggregation.secur`; did you mean `secure`?"),
        ("[agregation]\nsecure = false", "line 41: unknown key `agregation`; did you mean `aggregation`?"),
        ("[aggregation]\nnoises = {}", "line 42: unknown key `aggregation.noises`; did you mean `noise`?"),
        ("[aggregation]\nsecure = 0", "line 42: `aggregation.secure` is 0, and must be true or false"),
        (
            '[aggregation]\ncoordinator_sees = "all"',
            "line 42: `aggregation.coordinator_sees` is \"all\", and must be 'sums' or 'nothing'",
        ),
        (
            '[aggregation]\nacross_rounds = "enforced"',
            "must be 'off', 'warn' or 'enforce'; did you mean 'enforce'?",
        ),
        ("[aggregation]\ncolluders = -1", "line 42: aggregation: colluders may not be negative: -1"),
        ("[aggregation]\ncrowd = 0", "line 42: aggregation: crowd must be at least 1, not 0"),
        ("[aggregation]\ncrowd_soft = 0.9", "line 42: aggregation: crowd_soft must be at least 1, not 0.9"),
        ("[aggregation]\nclip = 0.0", "line 42: aggregation: clip must be positive and at most 2^20, not 0.0"),
        ("[aggregation]\nclip = 1e7", "clip must be positive and at most 2^20, not 10000000.0"),
        (
            '[aggregation]\nsecure = false\ncoordinator_sees = "nothing"',
            "aggregation: coordinator_sees = 'nothing' and noise need secure = true",
        ),
        (
            '[aggregation]\ntransport = "int8"',
            "line 42: aggregation: transport = 'int8' needs secure = false, since what departments add to secure sums "
            "is whole numbers under masks; take it out",
        ),
        (
            '[aggregation]\nsecure = false\ntransport = "float8"',
            "`aggregation.transport` is \"float8\", and must be 'float32', 'float16' or 'int8'",
        ),
        ("[aggregation.noise]\nnorm = 1.0", "`aggregation.noise.multiplier` is missing; it must be a number"),
        (
            "[aggregation.noise]\nnorm = 1.0\nmultiplyer = 2.0",
            "unknown key `aggregation.noise.multiplyer`; did you mean `multiplier`?",
        ),
        ("[aggregation.noise]\nnorm = -1.0\nmultiplier = 2.0", "aggregation.noise: norm must be positive, not -1.0"),
        ("[aggregation.noise]\nnorm = 1.0\nmultiplier = 0", "aggregation.noise: multiplier must be positive, not 0"),
        (
            "[aggregation.noise]\nnorm = 1.0\nmultiplier = 2.0\ndelta = 1.0",
            "aggregation.noise: delta must be between 0 and 1, not 1.0",
        ),
    ],
)
def test_what_is_wrong_with_how_sums_are_made_is_said_like_everything_else(
    tmp_path: Path, table: str, said: str
) -> None:
    assert said in sentence(tmp_path, f"{TEXT}\n{table}\n")


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ("alpha = 'uniform'\ncounts = [1, 2]", "weights: counts belong to alpha = 'examples', and only to it"),
        ("counts = [0, 2]", "weights: counts must be [smallest, largest], both positive: [0.0, 2.0]"),
        ("counts = [3, 2]", "weights: counts must be [smallest, largest], both positive: [3.0, 2.0]"),
        ("counts = [3]", "`weights.counts"),
        ("counts = 3", "`weights.counts` is 3, and must be a list of 2 values, each a number"),
        ("count = [2, 3]", "unknown key `weights.count`; did you mean `counts`?"),
    ],
)
def test_a_band_of_counts_that_cannot_be_meant_is_refused(tmp_path: Path, weights: str, said: str) -> None:
    text = TEXT[: TEXT.index("alpha = {")] + weights + "\n"
    assert said in sentence(tmp_path, text)


@pytest.mark.parametrize("weights", ["", "[weights]\nalpha = 'examples'\n"])
def test_sums_that_would_be_refused_load_all_the_same_so_that_they_can_be_explained(
    tmp_path: Path, weights: str
) -> None:
    loaded = Federation.load(write(tmp_path, TEXT[: TEXT.index("[weights]")] + weights))
    assert loaded.settings.aggregation.secure
    assert loaded.settings.weights.counts is None


def test_the_text_that_is_bent_below_loads(tmp_path: Path) -> None:
    assert Federation.load(write(tmp_path, TEXT)).settings.coupling.lambda_ == 0.5


@pytest.mark.parametrize(
    ("written", "instead", "said"),
    [
        ("purpose", "purpse", "line 3: unknown key `federation.purpse`; did you mean `purpose`?"),
        ("[model]", "[modell]", "line 32: unknown key `modell`; did you mean `model`?"),
        ("lambda", "lambda_", "line 36: unknown key `coupling.lambda_`; did you mean `lambda`?"),
        ("roles", "rolls", "line 11: unknown key `departments[2].rolls`; did you mean `roles`?"),
        ("seed", "epochs", "line 4: unknown key `federation.epochs`; `epochs` belongs to [training]"),
        ("seed", "zzz", "line 4: unknown key `federation.zzz`; [federation] may hold name, purpose, seed"),
        (
            '"source", "target"]',
            '"sorce"]',
            "`departments[2].roles[1]` is \"sorce\", and must be 'source' or 'target'; did you mean",
        ),
        (
            '["source", "target"]',
            '"source"',
            "line 11: `departments[2].roles` is \"source\", and must be a list of 'source' or 'target'",
        ),
        ("seed = 7", 'seed = "7"', 'line 4: `federation.seed` is "7", and must be a whole number'),
        ("seed = 7", "seed = 7.0", "line 4: `federation.seed` is 7.0, and must be a whole number"),
        ("seed = 7", "seed = true", "line 4: `federation.seed` is true, and must be a whole number"),
        ("seed = 7", "seed = -7", "line 4: federation: seed may not be negative: -7"),
        (
            "seed = 7",
            "seed = 99999999999999999999",
            "line 4: `federation.seed` is a whole number of more than 64 bits",
        ),
        (
            'name = "mlp"',
            'name = "mlp"\narguments = { x = -99999999999999999999 }',
            "line 34: `model.arguments.x` is a whole number of more than 64 bits",
        ),
        ("seed = 7", '"se\\u001b[31med" = 7', 'line 4: unknown key `federation."se�[31med"`'),
        (
            "purpose",
            "zzz",
            "line 3: unknown key `federation.zzz`; [federation] may hold name, purpose, seed (and 1 more)",
        ),
        ("seed = 7", "seed = 2020-01-01", "line 4: `federation.seed` is a date or time"),
        ("lambda = 0.5", "lambda = nan", "line 36: `coupling.lambda` is nan, and must be a finite number"),
        ("lambda = 0.5", "lambda = -inf", "line 36: `coupling.lambda` is -inf, and must be a finite number"),
        ("lambda = 0.5", "lambda = -1", "line 36: coupling: lambda may not be negative: -1.0"),
        (
            '"质检部门" = 2 }',
            '"质检部门" = -2 }',
            "line 39: weights: alpha of '质检部门' must be a number of at least 0, not -2.0",
        ),
        (
            '"质检部门" = 2 }',
            '"质检部门" = nan }',
            "line 39: `weights.alpha.质检部门` is nan, and must be a finite number",
        ),
        (
            '"质检部门" = 2 }',
            '"质检部门" = "two" }',
            'line 39: `weights.alpha.质检部门` is "two", and must be a number',
        ),
        (
            '{ "生产车间" = 1, "质检部门" = 2 }',
            '{ "生产车间" = 0, "质检部门" = 0 }',
            "weights: alpha is zero for everybody",
        ),
        (
            'alpha = { "生产车间" = 1, "质检部门" = 2 }',
            "beta = 0",
            "line 39: weights: beta is zero for everybody",
        ),
        (
            'alpha = { "生产车间" = 1, "质检部门" = 2 }',
            'alpha = "exmples"',
            "'examples' or 'uniform' or a table of numbers; did you mean 'examples'?",
        ),
        ('meaning = "the machine fails"', "", "line 28: `data.label.meaning` is missing; it must be text"),
        ('[model]\nname = "mlp"', "", "federation.toml: [model] is missing; it must be a table"),
        (
            "range = [200, 400]",
            "range = [400, 200]",
            "line 24: data.columns[1]: column '温度': range must be [smallest, largest]",
        ),
        (
            'classes = ["0", "1"]',
            'classes = ["0"]',
            "data.label: one class only cannot be learnt; list two or more",
        ),
        ('name = "质检部门"', 'name = " "', "line 10: departments[2]: a department's name may not be blank"),
        ('name = "质检部门"', 'name = "a\\u001b[31mb"', "may hold no line break, tab or invisible character"),
        ('name = "质检部门"', 'name = "../x"', "a department's name must do as a file's name"),
        ("seed = 7", "seed = 7\nseed = 7", "line 5, column 9: this is not TOML: cannot overwrite a value"),
        ("seed = 7", "seed =", "line 4, column 7: this is not TOML: invalid value"),
        ("[model]", "[model", "this is not TOML: expected ']' at the end of a table declaration"),
        ('"质检部门" = 2 }\n', '"质检部门" = 2', "this is not TOML: "),
    ],
)
def test_a_fault_is_named_with_line_key_and_remedy(tmp_path: Path, written: str, instead: str, said: str) -> None:
    assert written in TEXT
    assert said in sentence(tmp_path, TEXT.replace(written, instead, 1))


def test_further_faults_are_counted(tmp_path: Path) -> None:
    text = (
        TEXT.replace("seed = 7", 'seed = "7"')
        .replace("lambda = 0.5", 'lambda = "x"')
        .replace('name = "mlp"', "name = 3")
    )
    assert sentence(tmp_path, text).endswith("(and 2 more)")


def test_a_missing_key_that_was_misspelt_is_not_counted_again(tmp_path: Path) -> None:
    assert "more" not in sentence(tmp_path, TEXT.replace("purpose", "purpse"))


def test_a_long_value_is_shortened(tmp_path: Path) -> None:
    said = sentence(tmp_path, TEXT.replace("seed = 7", f'seed = "{"部" * 500}"'))
    assert len(said) < 150


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n"])
def test_an_empty_file_is_told_what_it_is_made_of(tmp_path: Path, text: str) -> None:
    assert "is empty; a federation file is made of the tables [federation], [departments]" in sentence(tmp_path, text)


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "federation.toml"
    path.write_bytes(b"\xef\xbb\xbf" + TEXT.replace("\n", "\r\n").encode())
    assert Federation.load(path).settings.names == ("生产车间", "质检部门")


def test_a_text_in_another_encoding_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "federation.toml"
    path.write_bytes('[federation]\nname = "制造"\n'.encode("gb18030"))
    with pytest.raises(ConfigError, match=r"line 2: this is not UTF-8 text; save the file as UTF-8") as caught:
        Federation.load(path)
    assert told_in_chinese(caught.value).endswith("第 2 行：不是 UTF-8 文本；请把文件存为 UTF-8")


def test_a_missing_file_a_folder_and_a_path_through_a_file_are_refused(tmp_path: Path) -> None:
    file = write(tmp_path, TEXT)
    for path, said in (
        (tmp_path / "absent.toml", "there is no such file; give the path of a federation file"),
        (tmp_path, "is a folder; give the path of a federation file"),
        (file / "x.toml", "cannot be read: Not a directory"),
        ("a\0b", "cannot be read: embedded null byte"),
    ):
        with pytest.raises(ConfigError, match=said) as caught:
            Federation.load(path)
        told_in_chinese(caught.value, "embedded null byte")


def test_a_large_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    with path.open("wb") as file:
        file.truncate(10 * 2**30)
    with pytest.raises(ConfigError, match="is larger than 4 MiB, so it is no federation file") as caught:
        Federation.load(path)
    told_in_chinese(caught.value)


@pytest.mark.parametrize(
    "text", ["a = " + "[" * 5000, "a = " + "[" * 5000 + "]" * 5000, "model" + ".a" * 5000 + " = 1\n"]
)
def test_nesting_without_end_is_refused(tmp_path: Path, text: str) -> None:
    assert "deep" in sentence(tmp_path, text)


def test_a_secret_file_is_never_quoted(tmp_path: Path) -> None:
    @dataclasses.dataclass
    class Own:
        password: int

    path = write(tmp_path, 'password = "hunter2"\n')
    with pytest.raises(ConfigError, match="must be a whole number") as caught:
        load(path, Own, what="department's file", secret=True)
    assert "hunter2" not in str(caught.value)


def test_a_department_without_a_role_is_allowed(tmp_path: Path) -> None:
    tree: Tree = valid()
    assert Federation.load(write(tmp_path, tree)).settings.department("供应链部门").roles == ()
