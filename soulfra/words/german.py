"""German."""

from soulfra.words.language import Language

GERMAN = Language(
    "de",
    "German",
    stop="der die das und ich ist nicht zu du es ein in den mit auf so wir auch aber noch hab fuer von im dem war wie was ja sich dass bei",
    share=0.12,
    common="""
    aber alle alles also auch auf aus bald beim bin bis bitte bist dann danke dass dein deine dem den denn der des
    dich die dir doch dort durch eher eigentlich ein eine einem einen einer eines einfach er erst es etwas euch fuer
    ganz gar gehen geht genau gerade gern gerne gibt grad gut gute guten hab habe haben habt halt hat hatte heute
    hier ich ihm ihn ihr immer ins ist jeder jetzt kann kein keine klar kommen kommt kannst koennen leider lieber
    machen macht mache mal man mehr mein meine mich mir mit morgen muss nach naechste nein nicht nichts noch nochmal
    nur oder oben ohne okay passt schon sehr sein seine seit sich sie sind sollte sonst tag ueber unser unsere unter
    viel viele vielleicht vom von vor wann war waren warum was weil weiss welche wenn wer werde werden wie wieder
    wieso wird wirklich wo woche wollen worden wurde zeit zum zur zwei montag dienstag mittwoch donnerstag freitag
    samstag sonntag gestern
    """,
    polite="bitte, danke, danke*, koennten sie, koennte sie, koenntest du, wuerden sie, liebe gruesse, lg, geehr*, herzlichen dank",
    casual="lol, haha, hahah, hahah*, hihi, hey, jo, noe, ne, na ja, moin, servus, krass, echt, digga, alter, mega, geil, nix, grad, halt, bissl, bisschen",
)
