"""What customers of the market write besides complaints: praise, off-topic remarks, and the words around them."""

from __future__ import annotations

__all__ = ["CLOSERS", "CONTACTS", "FIRST_NAMES", "ITEMS", "NEUTRAL", "OFF_TOPIC", "OPENERS", "PRAISE", "WHEN"]

ITEMS: tuple[str, ...] = (
    "the lamp", "the coat", "my kettle", "the rucksack", "the chair", "a blanket", "the radio", "the pan",
    "the jacket", "a vase", "the hat", "the mixer", "the rug", "a watch", "the desk", "the shelf", "the suitcase",
    "a teapot", "the mirror", "the tent", "my bike light", "the printer", "a scarf", "the toaster", "the garden bench",
    "the raincoat", "a picture frame", "the speaker", "the sofa bed", "a bread knife",
)  # fmt: skip

# Each follows "since" as well as a verb.
WHEN: tuple[str, ...] = (
    "last week", "two weeks ago", "last Easter", "last spring", "before the holidays", "last month", "last Monday",
    "three weeks ago", "last summer", "ten days ago", "last Friday", "a month ago", "last Wednesday", "last autumn",
    "six weeks ago",
)  # fmt: skip

OPENERS: tuple[str, ...] = (
    "Hello,", "Hi team,", "Good morning.", "Honestly:", "To be frank,", "Dear all,", "I have to say it:", "Well.",
    "As a long-time customer:", "Just some feedback.", "In short:", "What I wanted to tell you:", "By the way:",
    "My experience:", "Once more:", "You asked, so here it is.", "As for my last order:", "One remark.",
    "I will keep it brief.", "Since you ask:", "Hm.", "First of all:", "From my point of view:",
    "For what it is worth:",
    "My husband and I agree:", "I order often.", "This was my second order.", "I am new here.", "Quick note:",
    "Here goes.",
)  # fmt: skip

CLOSERS: tuple[str, ...] = (
    "Please pass it on.", "Thanks for reading.", "That is all.", "Regards", "That was it from me.",
    "I hope it helps.", "Think about it.", "See you next time.", "We will see.", "I will wait and see.", "Cheers",
    "Kind regards from the coast", "Just so you know.", "I had to get that off my chest.", "No more to say.",
    "Have a nice day.", "Looking forward to your reply.", "My neighbour says the same.", "Anyway.", "Best wishes",
    "Take it as advice.", "That is my opinion.", "Over and out.", "Greetings", "Let me know.", "All the best",
    "Thank you.", "Bye for now.", "I leave it at that.", "So much for today.",
)  # fmt: skip

# Words of every theme, used neutrally.
NEUTRAL: tuple[str, ...] = (
    "I ordered {item} {when}.",
    "I bought {item} and a voucher for my sister {when}.",
    "It was about {item}, order placed {when} with the app.",
    "I had compared the price of {item} in {n} shops.",
    "The parcel with {item} came {when}.",
    "I have shopped with you {n} times since {when}.",
    "The delivery of {item} was announced by mail.",
    "I had asked the support about {item} {when}.",
    "I had a return {when} as well.",
    "I chose {item} from the new collection.",
    "I used the website, not the shop.",
    "My order {when} was {item} in blue.",
    "The quality seal on {item} made me choose it.",
    "I paid for {item} by card {when}.",
    "It is about box {n} of my order.",
    "My neighbour took in the package {when}.",
)

PRAISE: tuple[str, ...] = (
    "I am very happy with {item}.",
    "Fast delivery, great service, thank you!",
    "Everything went smoothly.",
    "I love {item}.",
    "Best shop I know.",
    "Your support was lovely and solved it in {n} minutes.",
    "The price was more than fair.",
    "Beautiful packaging, I nearly did not want to open it.",
    "The quality convinced me.",
    "Always a pleasure to browse here.",
    "The return was easy and the refund quick.",
    "My voucher worked at once and saved me {n} euros.",
    "The app makes ordering so simple.",
    "{item} is even nicer than in the picture.",
    "I have recommended you to {n} friends.",
    "Great range, I always find something new.",
    "The courier was friendly and on time.",
    "Keep it up!",
    "I bought {item} {when} and use it every day.",
    "Good value for money.",
    "The lady on the phone was patient and knew everything.",
    "Checkout took me less than a minute.",
    "Well made, solid, just right.",
    "I would order again any time.",
    "Such a nice card in the parcel, it made my day.",
    "The exchange was done within {n} days.",
    "Finally a shop that keeps its promises.",
    "All good, five stars.",
    "What a lovely selection this season.",
    "I was sceptical, now I am a fan.",
    "The advice on {item} was spot on.",
    "Nothing to improve.",
    "Arrived in perfect condition.",
    "A discount for regulars, what a nice surprise.",
    "The new page is clear and quick.",
    "My children fight over {item}.",
    "Perfect, thank you.",
    "You thought of everything.",
    "Reliable as ever.",
    "Ordered {when}, here the next day, wonderful.",
    "It fits, it lasts, it looks good.",
    "I was helped at once.",
)

OFF_TOPIC: tuple[str, ...] = (
    "Do you also have a shop in my town?",
    "I only wanted to take part in the prize draw.",
    "The weather has been awful, so I shopped a lot.",
    "Please greet the delivery driver, his dog is lovely.",
    "I answered this survey on the train.",
    "Is {item} available in green?",
    "I moved house {when}, please note the new address.",
    "My cat sleeps in your box, quality time for her.",
    "When does the sale start?",
    "I think the music in the store is too loud.",
    "Could you bring back the paper catalogue?",
    "I have no opinion.",
    "The price of eggs is what worries me these days.",
    "I was looking for the opening hours.",
    "Your newsletter has a typo in the second line.",
    "This is the wrong form, I wanted to apply for a job.",
    "My grandson ordered it, ask him.",
    "Nice name for a shop.",
    "I cannot judge, {item} was a present.",
    "The survey is too long.",
    "Unsubscribe me please.",
    "I filled this in for the points.",
    "There were roadworks in front of your shop {when}.",
    "How do I become one of your suppliers?",
    "Parking is difficult near the store.",
    "I mixed you up with another company.",
    "Do you sponsor sports clubs?",
    "My account has my maiden name, please change it.",
    "I saw your advert on the tram.",
    "What does the logo mean?",
    "Are the models in the pictures real people?",
    "I would rather not say.",
    "Nothing special.",
    "It is the {n}th survey this month.",
    "I have not used {item} yet.",
    "Can you recommend a good book?",
    "The lift in the shop was out of order {when}.",
    "Which postcode do you deliver to?",
    "I will answer when I have more time.",
    "Greetings from the lake, we are on holiday.",
    "Is there a student price?",
    "test test",
)

# Personal data as people leave it in texts; reserved domain and numbers, so nobody's own.
CONTACTS: tuple[str, ...] = (
    "Write to me at {name}{n}@example.com.",
    "Call me on 555-01{n:02d}, {name}.",
    "My handle is @{name}_{n}.",
    "Yours, {name}",
)

FIRST_NAMES: tuple[str, ...] = (
    "anna", "ben", "clara", "david", "emma", "finn", "greta", "hugo", "ida", "jonas", "klara", "leo", "mara", "nils",
    "olga", "paul", "rosa", "sam", "tina", "viktor",
)  # fmt: skip
