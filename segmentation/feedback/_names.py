"""Given names that are no words of English, and capitalised words that are no names."""

from __future__ import annotations

__all__ = ["CAPITALISED_WORDS", "GIVEN_NAMES"]

# Frequent given names. Those that are also words (Mark, Grace, Frank, Jean) are left to their capital letter.
_GIVEN = """
aaron abigail adam adrian ahmed aisha alan albert alejandro alex alexander alexandra alfred ali alice alicia allison
amanda amelia amy ana andrea andreas andrew andy angela anita anja anna anne annette annika anthony antonio arthur
ashley barbara beatrice ben benjamin bernard bernd bettina beth betty brandon brenda brian britta bruce bryan carl
carla carlos carmen carol caroline catherine cecilia charles charlotte chloe chris christina christine
christopher cindy claire clara claudia colin connor craig cristina cynthia daniel daniela danielle david deborah
debra dennis diana diane dieter dmitri dominik donald donna doris dorothy douglas duncan dylan edward eduardo eileen
elaine elena eleanor elias elijah elisabeth elizabeth ella ellen emily emma eric erik erika ernst esther ethan
eugene eva evelyn fatima felicity felix fernando finn florian frances francesca francisco franz frederick gabriel
gareth gary geoffrey george gerald gerhard gertrude giovanni gisela gloria gordon greg gregory greta guillermo
hannah hans harold harriet heidi heike heinz helen helena helga henry herbert hermann hilda horst howard
hugo ian ibrahim ida ines ingrid irene isaac isabel isabella isabelle ivan jacob jacqueline jake james jamie
jana jane janet janice jason javier jeff jeffrey jennifer jenny jeremy jessica jill joan joanna johanna johannes
john jonas jonathan jorge jose joseph joshua juan judith julia julian julie juliet jurgen justin karen karin karl
katarina kate katharina katherine kathleen kathryn katie keith kelly ken kenneth kevin kimberly klara klaus kristin
kyle larissa larry laura lauren laurence lawrence lea leo leon leonard leonie linda lindsay lisa logan lorenzo louis
louise luca lucas lucia lucy luis luisa lukas luke lydia magdalena malcolm manfred manuel mara marco marcus margaret
maria marie marina mario marion marlene martha martin martina mary mateo matthew matthias maureen maxim megan melanie
melissa michael michaela michele michelle miguel mohamed mohammed monica monika muhammad nadia nadine nancy naomi
natalia natalie natasha nathan nicholas nicola nicolas nicole nigel nikolai nils noah nora norbert oleg olga oliver
olivia omar oscar otto owen pablo pamela patricia patrick paul paula pedro peter petra philip philipp phyllis pierre
rachel rafael ralf ralph raymond rebecca regina reinhard renate ricardo richard rita robert roberto rodney roger
roland ronald rosa rosemary ross roy russell ruth ryan sabine sabrina sam samantha samuel sandra sara sarah scott
sean sebastian sergei sharon sheila shirley silvia simon simone sofia sonia sophia sophie stacey stefan stefanie
stephanie stephen steve steven stewart stuart susan susanne svetlana sylvia tamara tanja tanya tara tatiana teresa
theodore theresa thomas thorsten tiffany tim timothy tina tobias tom tony tracy trevor ulrich ulrike ursula uwe
valentina valerie vanessa vera veronica victoria viktor vincent virginia vladimir walter wendy werner wilhelm
william wolfgang xavier yasmin yolanda yvonne yusuf zachary zoe
"""

# Written with a capital inside a sentence, and nobody's name.
_CAPITALISED = """
monday tuesday wednesday thursday friday saturday sunday january february march april may june july august
september october november december christmas easter thanksgiving halloween valentine english german french spanish
italian american british european asian indian chinese japanese america europe england britain germany france italy
spain canada china india japan usa internet email mail web website app wifi tv pc usb sms pdf faq ok xs xl xxl
"""

GIVEN_NAMES: frozenset[str] = frozenset(_GIVEN.split())
CAPITALISED_WORDS: frozenset[str] = frozenset(_CAPITALISED.split())
