from bert_jax.text.cleaning import CLEANERS, wiki40b, wikipedia

# In the form that TFDS's builders give: paragraphs are lines, markup is gone, sections begin with
# their headings.
ARTICLE = """Ashford is a town in the county of Kent. It lies on the Great Stour at the southern edge of the Downs.
The town has been a market town since the Middle Ages.

History
There was a settlement since the Iron Age, with a barrow being discovered in 1951 (see below).
Population
 1801 – 2,151
 1851 – 5,007
The town originates from a settlement established in 893 AD by inhabitants escaping a raid!”

{| class="wikitable"
|-
| Kent || 5,007 inhabitants were counted here in the census of 1851.

Notable people
 Roger Dean, artist and designer (born 1944)
 Frederick Forsyth, author
thumb|right|The market square.

See also
List of towns that lie in the county of Kent and have a market.

References
Ruderman, A. (1990). A History of Ashford. Phillimore. ISBN 0-85033-701-4.

Bibliography

Category:Ashford, Kent
"""


def test_wikipedia_keeps_its_prose_alone():
    assert wikipedia(ARTICLE).split("\n\n") == [
        "Ashford is a town in the county of Kent. It lies on the Great Stour at the southern edge "
        "of the Downs.",
        "The town has been a market town since the Middle Ages.",
        "There was a settlement since the Iron Age, with a barrow being discovered in 1951 (see "
        "below).",
        "The town originates from a settlement established in 893 AD by inhabitants escaping a "
        "raid!”",
    ]
    assert wikipedia("Kent\n\nList of towns\n") == ""


def test_wikipedia_of_other_scripts():
    chinese = "阿什福德是英格兰肯特郡的一个集镇，位于大斯陶尔河畔。"
    thai = "แอชฟอร์ดเป็นเมืองในเทศมณฑลเคนต์ ประเทศอังกฤษ ตั้งอยู่ริมแม่น้ำ"
    hindi = "एशफोर्ड इंग्लैंड के केंट काउंटी का एक शहर है जो नदी के किनारे स्थित है।"
    for line in (chinese, thai, hindi):
        assert wikipedia(f"Kent\n{line}\n歷史\n") == line


def test_wiki40b_keeps_its_paragraphs():
    article = (
        "\n_START_ARTICLE_\nAshford\n\n_START_PARAGRAPH_\nA town in Kent._NEWLINE_It lies on a "
        "river.\n\n"
        "_START_SECTION_\nHistory\n\n_START_PARAGRAPH_\nIt is old.\n\n_START_SECTION_\nEconomy\n"
    )
    assert wiki40b(article) == "A town in Kent.\n\nIt lies on a river.\n\nIt is old."
    assert wiki40b("No markers.\n") == "No markers."


def test_none_changes_nothing():
    assert CLEANERS["none"](ARTICLE) == ARTICLE
