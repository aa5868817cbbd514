"""The texts of the project use plain English, without private idioms."""

import ast
import io
import re
import tokenize

import pytest
from conftest import ROOT

# Phrase: pattern. Words of a phrase may be on two lines.
IDIOMS = {
    "told": r"\btold\b",
    "is said": r"\b(?:is|are|was|were|be|been|being)\s+(?:\w+ly\s+)?said\b",
    "looked at": r"\blook(?:ed|s|ing)\s+at\b",
    "is meant": r"\b(?:is|are|was|were|be|been|being)\s+(?:not\s+)?meant\b",
    "anew": r"\banew\b",
    "every how many-th": r"\bevery\s+how\s+many",
    # "rests on" is plain English.
    "rests": r"\b(?:come|comes|came)\s+to\s+rest\b|\brests\b(?!\s+(?:up)?on\b)",
    "one's own": r"\bone['’]?s\s+own\b",
    "mend": r"\bmend(?:s|ed|ing)?\b",
    "goes on": r"\b(?:go|goes|going|went)\s+on\b",
    # A segmentation fault is a term.
    "fault": r"(?<!segmentation\s)\bfaults?\b",
    "beside": r"\bbeside\b",
    "hears": r"\b(?:hears?|heard)\b",
    # "There is no column" and "is no longer" are plain English, "'x' is no column" is not.
    "is no": (
        r"(?:[^\w\s]\s*|(?<!\w)(?!there\b)\w+\s+)\b(?:is|are)\s+no\s+"
        r"(?!longer\b|more\b|less\b|later\b|earlier\b|better\b|worse\b)\w+"
    ),
}
# In texts about a study, "the page" was the tutorial that the study repeats. Elsewhere it is a page
# of the report or of the documentation.
STUDY_IDIOMS = IDIOMS | {"the page": r"\bthe\s+page(?:['’]s)?\b"}
STUDY_TEXTS = ("config/studies/", "workflow/models/", "benchmarks/", "README.md", "CHANGELOG.md")
PLAIN_TEXTS = (
    "*.md",
    "docs/**/*.md",
    "benchmarks/*.md",
    "benchmarks/*.sh",
    "resources/*.md",
    "config/**/*.md",
    "config/**/*.yaml",
    "workflow/**/*.md",
    "workflow/**/*.yaml",
    "workflow/**/*.rst",
    "workflow/**/*.smk",
    "workflow/Snakefile",
    "Snakefile",
    "Makefile",
    "pyproject.toml",
    ".ci/run",
    ".github/**/*.yml",
    ".github/**/*.md",
    ".*.yaml",
    "envs/*.sh",
    "envs/*.in",
)
PYTHON_FILES = ("workflow/**/*.py", "benchmarks/**/*.py", "docs/conf.py")
TEXT_TOKENS = {tokenize.COMMENT, tokenize.STRING, tokenize.FSTRING_MIDDLE}
VAGUE_VERBS = {"Give", "Tell", "Say", "Take", "Look", "Let"}


def list_files(patterns):
    """Return the files of the project that match one of the patterns."""
    files = {file for pattern in patterns for file in ROOT.glob(pattern) if file.is_file()}
    parts = {".venv", "_build", "__pycache__"}
    return sorted(file for file in files if not parts & set(file.relative_to(ROOT).parts))


def read_unreleased(text):
    """Return the part of the changelog before the newest release, other lines blank."""
    head, mark, rest = text.partition("## [Unreleased]")
    return head + mark + re.split(r"^## \[", rest, flags=re.M)[0]


def read_python_texts(source):
    """Return the comments and strings of a Python file in their places, and blanks for the code."""
    lines = [list(" " * len(line)) for line in source.splitlines()]
    code = source.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in TEXT_TOKENS:
            continue
        first, start = token.start
        last, end = token.end
        for row in range(first, last + 1):
            left = start if row == first else 0
            right = end if row == last else len(code[row - 1])
            lines[row - 1][left:right] = code[row - 1][left:right]
    return re.sub(r"[#\"]", " ", "\n".join(map("".join, lines)))


def find_idioms(text, idioms):
    """Return line number and text of each idiom."""
    matches = []
    for pattern in idioms.values():
        matches += re.finditer(pattern, text, flags=re.IGNORECASE)
    matches.sort(key=lambda match: match.start())
    lines = [text.count("\n", 0, match.end()) + 1 for match in matches]
    phrases = [" ".join(match[0].split()) for match in matches]
    return list(zip(lines, phrases, strict=True))


def read_text(file):
    """Return the prose of a file."""
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".py":
        return read_python_texts(text)
    return read_unreleased(text) if file.name == "CHANGELOG.md" else text


def test_texts_have_no_private_idioms():
    violations = []
    for file in list_files((*PLAIN_TEXTS, *PYTHON_FILES)):
        name = str(file.relative_to(ROOT))
        idioms = STUDY_IDIOMS if name.startswith(STUDY_TEXTS) else IDIOMS
        violations += [
            f"{name}:{line}: {phrase}" for line, phrase in find_idioms(read_text(file), idioms)
        ]
    assert not violations, "\n".join(["", *violations])


def test_names_of_tests_have_no_private_idioms():
    violations = []
    for file in list_files(["tests/**/*.py"]):
        for match in re.finditer(r"^def (test_\w+)", file.read_text(encoding="utf-8"), flags=re.M):
            words = match[1].replace("_", " ")
            violations += [
                f"{file.relative_to(ROOT)}: {match[1]}: {phrase}"
                for _, phrase in find_idioms(words, IDIOMS)
            ]
    assert not violations, "\n".join(["", *violations])


def test_docstrings_begin_with_a_precise_verb():
    violations = []
    for file in list_files(PYTHON_FILES):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            words = (ast.get_docstring(node) or "").split()
            if words[:1] and words[0].strip(",.:;") in VAGUE_VERBS:
                violations.append(f"{file.relative_to(ROOT)}:{node.lineno}: {words[0]}")
    assert not violations, "\n".join(["", *violations])


@pytest.mark.parametrize(
    ("text", "phrases"),
    [
        ("The log was told\nso. Mend it anew.", ["told", "Mend", "anew"]),
        ("It is looked\nat, and that is clearly said.", ["looked at", "is clearly said"]),
        ("'x' is no column. That is no name.", ["' is no column", "That is no name"]),
        ("There is no column. If there are no data, it is no longer needed.", []),
        ("Look at the figure. The default rests on a prior. It means a page.", []),
        ("A segmentation fault besides.", []),
    ],
)
def test_idioms_are_found(text, phrases):
    assert [phrase for _, phrase in find_idioms(text, IDIOMS)] == phrases


def test_code_of_python_files_is_ignored():
    source = 'told = f"told {told}"  # anew\n'
    assert [phrase for _, phrase in find_idioms(read_python_texts(source), IDIOMS)] == [
        "told",
        "anew",
    ]
