"""What personal data look like in a text: addresses, links, handles, numbers, and where names stand."""

from __future__ import annotations

import re

__all__ = [
    "CAPITAL_INSIDE",
    "EMAIL",
    "HANDLE",
    "INVISIBLE",
    "LETTERS",
    "LINK",
    "MASKS",
    "NAME",
    "NUMBER",
    "WORD",
    "WORD_INSIDE",
    "emails",
    "handles",
    "links",
    "named",
    "numbers",
    "signed",
]

# One character each, of no alphabet, so that no pattern of words takes it for one.
EMAIL, LINK, HANDLE, NUMBER, NAME = "\ue000", "\ue001", "\ue002", "\ue003", "\ue004"
MASKS = {EMAIL: "[e-mail]", LINK: "[link]", HANDLE: "[handle]", NUMBER: "[number]", NAME: "[name]"}
# Soft hyphens and characters of no width, which would split an address.
INVISIBLE = dict.fromkeys((0xAD, 0x200B, 0x200C, 0x2060, 0xFEFF))

# Capitals of the Latin, Greek and Cyrillic alphabets.
_CAPITAL = "".join(chr(code) for code in (*range(0x41, 0x5B), *range(0xC0, 0x530)) if chr(code).isupper())
WORD = re.compile(r"[^\W\d_]+(?:['\u2019\-][^\W\d_]+)*")
LETTERS = re.compile(r"[^\W\d_]+")

_SURE = (
    "com|net|org|info|io|eu|uk|de|ch|fr|es|nl|pl|se|dk|cz|pt|ie|jp|cn|ru|ca|au|nz|br|mx|biz|app|dev|shop|store|online|"
    "blog|site|photography|tech|cloud|xyz|club|email|ly"
)

# ---- e-mails
_AT, _DOT = "[@\uff20\ufe6b]", r"(?:\.|dot|punkt|punto)"
_OPEN, _CLOSE = r"[\[({<*_\-]", r"[\])}>*_\-]"
_LOCAL = r"[\w.+\-'\u2019%&]*[\w+\-]"
# Without a dot in the domain, "at" means a place, unless it is one of these.
_PROVIDERS = "gmail|googlemail|hotmail|outlook|yahoo|icloud|gmx|aol|protonmail|t-online"
_WITH_AT = re.compile(
    rf"(?:mailto:)?{_LOCAL}{_AT}[\w\-]+(?:\.[\w\-]+)*"
    rf"|{_LOCAL}(?: \. {_LOCAL})*\s?{_AT}\s?[\w\-]+(?:\s?\.\s?[\w\-]+)+",
    re.IGNORECASE,
)
_SPELT = re.compile(
    rf"{_LOCAL}(?: ?{_OPEN}? ?{_DOT} ?{_CLOSE}? ?[\w\-]+)*? ?{_OPEN} ?at ?{_CLOSE} ?"
    rf"[\w\-]*?\w(?: ?{_OPEN}? ?{_DOT} ?{_CLOSE}? ?\w[\w\-]*)+"
    r"|\b[\w.+\-]+(?: dot [\w\-]+)* at [\w\-]+(?: (?:dot|punkt|punto) [\w\-]+)+"
    rf"|\b\w+[._+\-\d][\w.+\-]* at [\w\-]+(?:\.[\w\-]+)*\.(?:{_SURE})\b"
    rf"|\b[\w.+\-]+ at (?:{_PROVIDERS})\b(?:\.\w+)*",
    re.IGNORECASE,
)
# What every spelt one has, quick to find in small letters.
_SPELT_AT = re.compile(
    rf"at(?:(?<={_OPEN}at)|(?<={_OPEN} at)) ?{_CLOSE}"
    rf"| at (?:(?:{_PROVIDERS})\b|[\w\-]+(?:(?:\.[\w\-]+)*\.(?:{_SURE})\b| (?:dot|punkt|punto) ))"
)

# ---- links
_LINKS = re.compile(
    r"(?:\b[a-z]{2,8}://|\bwww\.)\S+"
    rf"|\b[\w\-]+(?:\.[\w\-]+)*\.(?:{_SURE})\b(?:[/?]\S*)?"
    r"|\b[\w\-]+(?:\.[\w\-]+)*\.[a-z]{2,}/\S+"
    # endings that are words as well ("it came late.at last"), after a name with a hyphen, a digit or a dot
    r"|\b\w+(?:(?<!\.)\.|[\-\d])[\w\-]*\w\.(?:it|at|me|us|be|no|is|in|so|to|co)\b",
    re.IGNORECASE,
)
# What every link has: a dot between letters, or a scheme.
_LINKED = re.compile(r"\.\w|://")

# ---- handles
_PLACES = (
    "insta|instagram|ig|twitter|tiktok|snap|snapchat|telegram|discord|facebook|fb|skype|threads|whatsapp|handle|"
    "user ?name|user ?id"
)
_WITH_SIGN = re.compile(
    rf"(?<![\w@]){_AT}\s?\w[\w.\-]*"
    r"|\b\w+#\d+\b"
    r"|(?<![\w/])u/[\w\-]{3,}"
    # no word has an underscore
    r"|(?<!\w)[\w.]*[^\W_]_+[^\W_][\w.]*",
    re.IGNORECASE,
)
_ON = re.compile(
    rf"\b(?:{_PLACES})\s*[:=]\s*[\w.\-#]+|\bmy (?:{_PLACES}) (?:name |handle |account )?is [\w.\-#]+", re.IGNORECASE
)
_ON_PLACE = re.compile(rf"(?:{_PLACES})(?:\s*[:=]| (?:name |handle |account )?is )")

# ---- numbers
_BETWEEN = r"(?:[\s().\-/\u00b7\u2010-\u2015_]{0,4}|,)"
_DIGIT_WORD = "zero|oh|one|two|three|four|five|six|seven|eight|nine"
_NUMBERS = re.compile(
    # an account: IBAN
    r"\b[a-z]{2}\d{2}[ \-]?[a-z0-9]{4}(?:[ \-]?\d{4}){2,}(?:[ \-]?\d{1,4})?\b"
    # six digits and more with what people put between them, and an extension
    rf"|(?<![^\W_])\+?\(?\d(?:{_BETWEEN}\d){{5,}}(?:\s*(?:ext\.?|extension|x|dw|durchwahl)\s*\d{{1,6}})?(?![^\W_])"
    r"|\b\d{4,}\b"
    # three digits in one piece with letters, but for measures ("135lbs")
    r"|\b(?!\d{1,4}(?:lbs?|kg|g|mg|oz|cm|mm|ml|m|km|ft|in|h|hrs?|min|gb|mb|px|th|st|nd|rd)\b)"
    r"(?=[^\W_]*[^\W\d_])(?=(?:[^\W\d_]*\d){3})[^\W_]{4,}\b",
    re.IGNORECASE,
)
_NUMBER_WORDS = re.compile(rf"\b(?:(?:{_DIGIT_WORD}|double|triple)\b[\s,.\-]*){{6,}}", re.IGNORECASE)
_MANY_DIGITS = re.compile(rf"\d[^\W_]*\d[^\W_]*\d|\d(?:{_BETWEEN}\d){{5}}")

# ---- names
# Words with a capital inside a sentence: after a lower-case word and a blank, a quotation mark or a bracket; not after
# a comma ("Hello, This is late").
_BEFORE = "|".join(rf"(?<=[^\W\d_{_CAPITAL}]{mark})" for mark in (" ", ' "', " '", r" \("))
CAPITAL_INSIDE = re.compile(
    rf"(?:{_BEFORE})(?:[{_CAPITAL}][^\W\d_]+(?:['\u2019\-][^\W\d_]+)*|[{_CAPITAL}]['\u2019][{_CAPITAL}][^\W\d_]+)"
)
WORD_INSIDE = re.compile(rf"(?:{_BEFORE})[^\W\d_]+")
_PART = r"[^\W\d_][\w'\u2019\-]*"
_GIVEN_PART = rf"[{_CAPITAL}][\w'\u2019\-]*\.?"
# Between the parts of a name.
_OF = r"(?:(?:van|von|de|da|di|del|der|den|la|le|el|al|bin) ){0,2}"
# "miss" and "sir" are words as well, so titles need a capital after them; "mrs" and "herr" do not.
_TITLES = re.compile(
    rf"\b(?:[Mm]rs?|MRS?|[Hh]err|[Ff]rau|[Mm]onsieur|[Mm]adame|[Mm]me|[Ss]e\u00f1ora?|[Ss]ignora?)\b\.?,?\s+"
    rf"(?P<any>(?!and\b|und\b|et\b|y\b|e\b){_PART}(?:\s+{_OF}{_GIVEN_PART}){{0,2}})"
    rf"|\b(?:Ms|ms|Miss|Sir|Lord|Lady|Dr|dr|Prof|Professor|Doctor|Mr|Mrs|Mx)\b\.?"
    rf"(?:\s*(?:&|and|und)\s*(?:Mrs|Ms|Mr|Frau))?\.?\s+(?P<capital>{_OF}{_GIVEN_PART}(?:\s+{_OF}{_GIVEN_PART}){{0,2}})"
)
_CALLED = re.compile(
    rf"\b(?:my name is|my name's|i am called|ich hei\u00dfe|mein name ist|je m'appelle|me llamo)\s+"
    rf"(?P<any>{_PART})(?:\s+(?P<second>{_PART}))?",
    re.IGNORECASE,
)
_TITLE_WORDS = (
    "mr", "ms", "miss", "herr", "frau", "sir", "lord", "lady", "dr", "prof", "doctor", "mx", "monsieur", "madame",
    "mme", "se\u00f1or", "signor",
)  # fmt: skip
_CALLED_WORDS = ("my name", "i am called", "ich hei\u00dfe", "mein name", "je m'appelle", "me llamo")
# Closings after which anything is a name, and such as need a capital: "thanks again" is none.
_STRONG = (
    r"yours(?: sincerely| truly| faithfully)?|sincerely(?: yours)?|(?:kind |best |warm )?regards|cheers|greetings|"
    r"best wishes|all the best|signed|xoxo|lg|vg|mfg|(?:mit )?(?:freundlichen|besten|lieben) "
    r"gr\u00fc(?:\u00df|ss)en|(?:viele|liebe|beste|freundliche|herzliche) gr\u00fc(?:\u00df|ss)e|cordialement|"
    r"bien \u00e0 vous|saludos|"
    r"atentamente|cordiali saluti"
)
_WEAK = "thanks(?: again| a lot)?|thank you|many thanks|best|love|ta|thx|danke|merci|gracias|grazie"
_SIGNED = re.compile(
    rf"(?:(?:^|(?<=[\s.!?,]))(?i:{_STRONG})(?:[,.!:\-]*\s+|\s*[,!:\-]\s*)"
    rf"(?P<strong>(?i:{_PART})\.?(?:\s+{_PART}\.?){{0,3}}(?:,\s*{_PART})?)"
    rf"|(?:^|(?<=[\s.!?,]))(?i:{_WEAK})(?:\s*[,!.:\-]\s*|\s+)(?P<weak>{_GIVEN_PART}(?:\s+{_GIVEN_PART}){{0,2}})"
    rf"|(?:[.!?\s\n]\s?|^)[\-~\u2010-\u2015]+\s?(?P<dash>{_GIVEN_PART}(?:\s+{_GIVEN_PART}){{0,2}})"
    rf"|[.!?,]\s*\n\s*(?P<line>{_GIVEN_PART}(?:\s+{_GIVEN_PART}){{0,2}})"
    rf"|\n\s*(?P<lines>{_GIVEN_PART}\s+{_GIVEN_PART}(?:\s+{_GIVEN_PART})?))(?P<end>\s*[.!]?\s*)$"
)
# A signature stands at the end.
_SIGNED_WITHIN = 100


def emails(text: str, low: str) -> str:
    """Mask e-mails, written out ones as well; `low` is the text in small letters."""
    if "@" in text or "\uff20" in text or "\ufe6b" in text:
        text = _WITH_AT.sub(EMAIL, text)
    return _SPELT.sub(EMAIL, text) if _SPELT_AT.search(low) else text


def handles(text: str, low: str) -> str:
    """Mask names of accounts."""
    if any(sign in text for sign in "@#_\uff20\ufe6b") or "u/" in low:
        text = _WITH_SIGN.sub(HANDLE, text)
    return _ON.sub(HANDLE, text) if (":" in text or "=" in text or " is " in low) and _ON_PLACE.search(low) else text


def links(text: str) -> str:
    """Mask links and addresses of the web."""
    return _LINKS.sub(LINK, text) if _LINKED.search(text) else text


def numbers(text: str, low: str) -> str:
    """Mask phone, account and order numbers; short ones stay."""
    if _MANY_DIGITS.search(text):
        text = _NUMBERS.sub(NUMBER, text)
    return (
        _NUMBER_WORDS.sub(f"{NUMBER} ", text) if any(word in low for word in ("five", "one", "two", "zero")) else text
    )


def signed(text: str, common: frozenset[str]) -> str:
    """Mask the name at the end of a letter; `common` words are no parts of it ("greetings from the coast")."""
    found = _SIGNED.search(text, max(0, len(text) - _SIGNED_WITHIN))
    if not found:
        return text
    who = next(name for name in ("strong", "weak", "dash", "line", "lines") if found[name])
    if not common.isdisjoint(LETTERS.findall(found[who].lower())):
        return text
    return f"{text[: found.start(who)]}{NAME}{found['end']}"


def named(text: str, low: str, common: frozenset[str]) -> str:
    """Mask names after titles and after "my name is"; `common` words are no second names."""
    if any(word in low for word in _TITLE_WORDS):
        text = _TITLES.sub(lambda found: _without(text, found, "any" if found["any"] else "capital"), text)
    if any(word in low for word in _CALLED_WORDS):
        whole = text
        text = _CALLED.sub(lambda found: _called(whole, found, common), whole)
    return text


def _without(text: str, found: re.Match[str], group: str) -> str:
    return f"{text[found.start() : found.start(group)]}{NAME}"


def _called(text: str, found: re.Match[str], common: frozenset[str]) -> str:
    rest = "" if found["second"] is None or found["second"].lower() not in common else f" {found['second']}"
    return f"{_without(text, found, 'any')}{rest}"
