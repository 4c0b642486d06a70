"""English."""

from soulfra.words.language import Language

ENGLISH = Language(
    "en",
    "English",
    stop="the and to of a in is it you that for on with i my be this have are not we but can do as at",
    share=0.12,
    common="""
    that this with have from they what when will would could should about there their your just been were then than
    them some into also only like make know need want more very back here over still after before because which
    please thanks today tomorrow week monday tuesday wednesday thursday friday saturday sunday going gonna let's
    i'll we'll really think good time people thing things something anything everything someone anyone much many
    most other another same even well right okay sure maybe never always again does doing done didn't don't can't
    it's that's i'm you're we're they're yeah haha nice great said says tell told come came went take took give gave
    look looks looking sorry first last next year years month months days hours minutes where while those these such
    """,
    polite="please, pls, plz, thank you, thanks, thx, could you, would you, kindly, regards, dear, much appreciated, grateful",
    casual="lol, lmao, haha, hahah, hahah*, gonna, wanna, gotta, yeah, yep, nah, btw, omg, hey, dude, tbh, idk, cuz, u, ur, yo",
)
