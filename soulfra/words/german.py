"""German, with its colours between Kiel and Klagenfurt. Patterns are matched against folded text: lower case, umlauts as
ae, oe, ue and ss, without code, addresses and quotations."""

from __future__ import annotations

from soulfra.words.language import Felt, Hand, Language, Tone

ASKED = r"(?:was|wer|wen|wem|wessen|wann|wo|wohin|woher|wie|warum|wieso|weshalb|wozu|woran|womit|wofuer|worueber|welche[rsnm]?|wieviel)"
VERB = (
    r"(?:ist|sind|seid|bist|war|warst|wart|waren|hast|habt|hat|haben|haette[nt]?|haettest|haettet|kannst|koennt|kann|koennte[nt]?|koenntest|willst|wollt|will|wollen|wuerdest|wuerdet|wuerden"
    r"|darf|duerfen|duerft|darfst|soll|sollen|sollt|sollte[nt]?|muss|muessen|muesst|musst|magst|moegt|moechte[nt]?|moechtest|weisst|wisst|weiss|wissen|gibt|gibts|gehts?|kommt|kommst|passt|stimmt|lohnt"
    r"|kennst|kennt|findest|meinst|denkst|brauchst|braucht|machst|macht|nimmst|nehmt|faehrst|faehrt|fahrt|fasst|heizt|zahlt|hilfst|erklaerst|unterstuetzt|bleibt|bleibst|wird|werden|wirst|reicht|laeuft)"
)
DO = (
    r"(?:schick\w*|send\w*|ruf\w*|hol\w*|bring\w*|kauf\w*|mach\w*|stell\w*|leg\w*|raeum\w*|putz\w*|wasch\w*|schreib\w*|formulier\w*|uebersetz\w*|fass\w*|erstell\w*|sortier\w*|refactor\w*|pruef\w*|kontrollier\w*"
    r"|ueberweis\w*|zahl\w*|bezahl\w*|reservier\w*|buch\w*|bestell\w*|bestaetig\w*|leit\w*|eintrag\w*|trag\w*|fuell\w*|unterschreib\w*|ausfuell\w*|hochlad\w*|lad\w*|verschieb\w*|umstell\w*|fahr\w*|nehm\w*|nimm"
    r"|gib|geb(?:t|en)|sag|denk\w*|vergiss|erinner\w*|kuemmer\w*|sicher\w*|zieh\w*|setz\w*|park\w*|haeng\w*|wirf|lies|les(?:t|en)|dreh\w*|schalt\w*|schliess\w*|oeffne\w*|melde\w*|frag\w*|klaer\w*|organisier\w*|uebernimm\w*"
    r"|aendere|loesch\w*|korrigier\w*|abholen|abgeben|mitgeben|mitbringen|eindecken|abraeumen|anfragen|erneuern|entlueften|umparken|bekanntgeben|komm\w*|schau\w*|hilf|helft|tu|giess\w*|fuetter\w*|druck\w*|scann\w*|bereite\w*)"
)
DONE_AS = (
    r"(?:ge\w{2,}(?:t|en)|ver\w{3,}(?:t|en)|be\w{3,}(?:t|en)|er\w{3,}(?:t|en)|ent\w{3,}(?:t|en)|zer\w{3,}(?:t|en)|\w*(?:ab|an|auf|aus|bei|durch|ein|fest|her|hin|hoch|los|mit|nach|um|vor|weg|zu|zurueck|zusammen|raus|rein|runter|rauf|rueber)ge\w{2,}(?:t|en)"
    r"|\w{2,}iert|uebersetzt|ueberwiesen|uebergeben|unterschrieben|abgesendet|zugesandt|fertig|erledigt|durch|raus|drauf|drueben|gmocht|zahlt)"
)

QUESTION = Hand(
    yes=(
        r"\?(?=[\s?!)\"'…]|[^\x00-\x7f]|$)",
        rf"(?:^|[.!,;:\n]\s*|\b(?:hi|hey|moin|hallo|servus|ok|und|aber|sorry|so)\b,?\s+){ASKED} (?:{VERB}|schlaeft|hoch|lange?|oft|viel|alt|spaet|genau|geht|war|haben|steht|trefft|merkt|spricht|heisst)\b(?! (?:mich|immer ihr|man sich|lange|soll man da|du heute|wir brauchen|geil))",
        rf"(?:^|[.!;\n]\s*|\b(?:moin|hi|hey|hallo|servus),? ){VERB} (?:du|ihr|sie|wir|ich|man|er|es|das|dein|der|die|jemand|wer|oeppa|denn|eigentlich|am|scho|mir|dir|euch|des)\b(?! (?:ein glueck|ich froh|halt|weisst du was)).*(?:\b(?:schon was vor|noch|oder|schon|eigentlich|vielleicht|zufaellig|heute?|morgen|gsehn|hat|losgfahrn|stau)\b)",
        r"\b(?:gib|geb\w*|schreib\w*|sag\w*|lass\w*)(?: sie)? (?:mir|uns)(?: bitte)?(?: kurz| noch| bitte)?(?: bescheid| wissen)?,? (?:ob|wie|wann|was|wer|welche)|\b(?:rueckmeldung|info|bescheid|fragen|wissen),? (?:ob|wie|wann|was|welche)|\berklaer(?:e|en sie)? (?:mir|uns)\b|\bdarf ich fragen\b|\bich braeuchte noch die info\b",
        r"\boder (?:ned|net|nicht|no ned|eher ned|reicht \w+ \w+|ist das nur \w+)\W*$|^weiss (?:oeppa|oepper|wer|jemand|einer)\b|\bwissen wir (?:schon|jetzt)\b|^und wo\b|^wann geht\b|^wie hoch\b",
    ),
    no=(
        rf"^(?:was fuer|wie (?:die zeit|auch immer|geil|schoen|cool|suess|man sich|besprochen)|welch(?:er)? (?:ein|depp)|so what|wem sagst|ja was denn|was soll(?:'s)?\b(?! ich)|wo ein wille|wer (?:nicht hoeren|die wahl)|was (?:lange|du heute|mich|wir brauchen|soll man)|hast du ein glueck|weisst du was|bin ich froh|geht doch|kann sein|da wo|ob )",
        rf"\b(?:fragt|fragen|fragte|gefragt|erzaehlt|gelernt|erkundigt|wollte von mir wissen|gesagt|keine ahnung|weiss|haengt)\b[^?]*\b(?:{ASKED}|ob)\b[^?]*$",
        r"\bund wen interessiert|\bohne frage\b|\bim code steht\b|\bparameter \?|\bmir (?:doch |auch )?egal\b|\bwas fuer ein (?:theater|tag)\b",
    ),
)
PROMISE = Hand(
    yes=(
        r"\b(?:ich|i|wir|mir)\b[^.?!]{0,50}?\b(?:bring|hol|mach|schick|schreib|kuemmer|klaer|frag|ueberweis|zahl|kauf|besorg|reservier|backe?|baue?|uebernehm|uebernimm|meld|sag|komm|schau|pass|trag|stell|nehm|leit|red|ersetz|liefer|zieh|halt|lass|lies|lese|werd|organisier|druck|buch|fahr|helf|hilf|wasch|weck|dokumentier|roll|informier|richt|setz|lern|geh|bleib|geb|entschuldig|unterschreib|koch|putz|raeum|liefer|sind am)\w*\b"
        r"[^.?!]{0,60}?\b(?:dir|euch|ihnen|ihm|ihr|gleich|morgen|heute?|bis|am|noch|drum|darum|mit|das|den|die|auf|um|diesmal|montag|dienstag|mittwoch|donnerstag|freitag|samstag|samschtig|sonntag|wochenende|bescheid|tisch|kosten|fuer|zurueck|zwei|salat)\b",
        r"\b(?:mach(?:e|en)? (?:ich|wir|i)|geht klar|wird (?:erledigt|gemacht)|verlass dich (?:drauf|darauf)|ehrenwort|versprochen|versprech ich|ich versprech|abgemacht|bin dran|ich bleib(?:e)? dran|in die hand|chasch uf|drauf verlassen|i ?machs?|ich machs)\b",
        r"\b(?:sie (?:erhalten|bekommen)|die \w+ bekommen sie|ihr bekommt|du (?:bekommst|kriegst)) .*\b(?:von (?:uns|mir)|bis|woche|montag|freitag|morgen)\b|\bwir (?:melden|werden|ersetzen|uebernehmen|liefern|informieren|kommen|kuemmern|zahlen)\b",
        r"(?:^|[.!,] )(?:dann |okay |ok |gut |gerne,? |ja )*(?:reservier|lese|bring|hol|schick|mach|uebernehm|nehm|schreib|kuemmer|meld)(?:e|en)? (?:ich|i|wir)\b|\b(?:merge|deploye|schicke|melde|hole|bringe|mache|schau|schreibe|heiz) (?:ich|i)\b|\bdie \w+ (?:baue|mache|schicke|bringe|hole|schreibe) ich\b|\bhab'?s auf dem zettel\b|\bschick uns einfach die rechnung\b|\bbin um punkt\b|\bsag bescheid\b.*\bsobald\b|\bich (?:sag|geb) (?:dir|euch) bescheid\b",
    ),
    no=(
        r"\?|\b(?:wuerde|wuerd|haette|muesste|koennte|wollte|vielleicht|vermutlich|wahrscheinlich|irgendwann|hoffe|glaube?|trau mich|weiss (?:noch )?nicht|falls|davon aus|nichts versprechen|nie wieder|nie verstehen|mal schauen|mal sehen|wetten|frueher|letzte woche|kein wort|kann dir|besen|rakete|lotto)\b",
        r"\b(?:nein|nicht(?! vergess)|nie|niemals|kein\w*)\b(?!.*\b(?:alleine|ding|sorge|angst|problem)\b).*|\bwenn (?:ich im|das nochmal)\b|\b(?:sagt|meinte|zugesagt|hat immer gesagt|verspricht)\b|\b(?:vermisse?n?|rot|krank|sterbe|gefuehl|vor wie|flipp aus|verplant|bitte)\b|\bein kleines bier\b|\bwir werden sehen\b|\bda werden wir wohl\b|\bhat er\b",
    ),
)
DECISION = Hand(
    yes=(
        r"\b(?:haben?|hab|hat|wurde|wird|ist|sind|hast|mir hei|so)\b[^.?]{0,60}\b(?:entschieden|beschlossen|festgelegt|geeinigt|vereinbart|ausgemacht|abgmacht|verabredet|abgesegnet|zugestimmt|angenommen|abgelehnt|durchgerungen|fixiert|gewonnen|entschlossen)\b",
        r"^(?:[\w ]{0,20})?(?:geeinigt haben|einstimmig|beschluss:|entscheidung:|entschieden:|ergebnis der|gebucht wird|damit ist es entschieden|hiermit|damit alle bescheid)\b",
        r"\b(?:wir|ich|i) (?:nehmen?|nehm|bleiben?|setzen|stellen|verkaufen|ziehen zusammen|adoptieren|sagen das|werden kein|hosten|gehen zurueck|kaufen|zieh die|lass den|machs nicht|melde mich vom|fahren|fahr)\b[^?]*(?:\b(?:jetzt|doch|fix|so|entschieden|ab|auf|bei|zurueck|ab sofort|beschlossen|klar|basta|aber ja|nicht|kein|das lastenrad|die stelle|deinen vorschlag|selber|ein|passt)\b|[.!❤]|$)",
        r"\b(?:dann fix|also dann|dann (?:also )?(?:doch|bleibt|machen wir'?s|fahr ma|nehmen wir)|es wird (?:der|die|das)|steht (?:jetzt|fest)|name vom projekt steht|ist (?:jetzt )?(?:fix|durch|vom tisch|beschlossen)|geht in ordnung|ok gekauft|diskussion beendet|basta|punkt\.$|die wahl fiel|abgemacht|passt,? deal|deal\.|schlussendlich nehmen|verbindlich|am ende (?:haben|machen|nehmen)|nach langem hin und her|ab sofort kein|so machen wir)\b",
        r"\b(?:ab (?:naechster|montag|sofort|jaenner|januar|der naechsten)\b.*\b(?:gilt|voraus|kein)\w*|faellt am \w+ aus|geht an (?:frau|herrn)|bestaetigen wir|erteilen wir|wird (?:kastriert|verkauft|kapitaenin)|gilt ab|paul macht'?s|geht in den|bleibt bei|haben uns fuer|hab mich\b.*\bfuer\b.*\bentschieden|der \d+\. hat gewonnen|es war klar|war klar: wir|du darfst mitfahren|studienplatz .* angenommen|ok zusammengefasst|kein hund)\b",
    ),
    no=(
        r"\?|\b(?:noch (?:nicht|ned|net|nix|lang)|nicht entschieden|ned entschieden|ueberleg\w*|tendier\w*|tendenz|schwanken|wuerd(?:e|en)? sagen|vielleicht|wenn alle|koennten|sollten|sollen wir|wollen wir|vorschlag:|eine nacht|zwischen \w+ und|angenommen, wir|durch den kopf|warten noch|im prinzip|waer dafuer|aus meiner sicht|spricht mehr|finde ich auch|haette gern|schauen wir weiter|diskutieren)\b",
        r"\b(?:richter|bundestag|gericht\w*|verwaltungsgerichtshof|uefa|fifa|schiri|stadt zuerich|amt entscheidet|gemeinderat|wecker|wuerfel|elfmeter|krimi|entscheidend\w*|unentschieden|wer hat beschlossen|kann keine rede|hilf mir bei der entscheidung|spontane entscheidungen)\b",
    ),
)
ACTION = Hand(
    yes=(
        rf"\bbitte\b[^.?!]*\b{DO}\b|\b{DO}\b[^.?!]{{0,20}}\bbitte\b|\bbitte (?:alle|den|das|die|um (?:zusendung|uebersendung)|nicht mehr|hausschuhe)\b",
        rf"(?:^|[.!:;\n]\s+|@\w+[:,]?\s+|, )(?:bitte |dann )?{DO} (?:mir|mal|die|den|das|dem|der|dein\w*|mein\w*|ein\w*|uns|euch|dich|bitte|noch|doch|schon|du|sie|es|ihn|an|nicht|zwei|zum|beim|alle|eure|\d+)\b(?! (?:keine sorgen|nicht so|vom wetter|den daumen|durch))",
        rf"\b(?:kannst|koennt|koenntest|koenntet|koennen sie|koennten sie|wuerdest|magst|darfst|kanns|willst)\b(?: du| ihr| sie| mir| mich| bitte| mal| schnell| wer| gern)*\b[^.!]*\b(?:{DO}|abholen|machen|schicken|holen|bringen|ueberweisen|verschieben|nachsehen|reinlassen|umstellen|einkaufen|ausraeumen|entlueften|krank melden|aufmachen|helfen|scannen)\b",
        r"\b(?:todo|to-do|aufgabe)\b\s*(?:fuer )?\w*\s*[:\-]|^todo\b|@\w+ (?:bitte|schaust|kannst|machst|feedback\w*)|@alle\b",
        r"\b(?:holst|haengst|parkst|machst|bringst|schaust|nimmst|gehst|kaufst|rufst|schickst|leerst|uebernimmst|kuemmerst) du\b[^.!]*\b(?:bitte|ab|auf|um|mit|an)\b|\bdu (?:muesstest|musst|machst|uebernimmst|solltest)\b(?! sehen)[^.?]*\b(?:noch|die|den|das)\b|\bvergiss nicht\b|\bdenk an\b|\berinner(?:e)? mich\b",
        r"\b(?:ich (?:brauche|brauch|moechte sie bitten|bitte dich|bitte sie)|es waere super,? wenn du|waere (?:toll|nett|lieb),? wenn|verantwortlich fuer|uebernimmt ab|macht die uebergabe)\b|^\w+, du machst\b|\bmach die\b|\bkuemmer du\b|\braeum deinen\b|\bzieh dem\b|\bsichern sie\b|\bnehmt bitte\b",
    ),
    no=(
        r"\b(?:bitte (?:sehr|bitte|gar nicht|schoen)|geh bitte|mach dir keine|nimm'?s nicht|nimm mal an|lass (?:es dir|gut sein|knacken|dich)|schau mal wie|glaub mir|rate mal|stell dich nicht|stell dir vor|halt durch|komm gut|viel spass|geniess\w*|freu dich|fuehl dich|goenn dir|red(?:e)? (?:mir|weiter)|tu was du|warte,|verzeihen sie|leck mich|sag bloss|rutscht gut|drueckt uns|erzaehl keinen|hoert hoert|leute gibt|seien sie)\b",
        r"\b(?:kannst du (?:mir mal )?(?:erklaeren|glauben|empfehlen)|wie wuerdest|was haeltst|findest du|brauchst du|koennte ich nie|merke:|kocht? man|nimmt man|immer in viel|verwendet man|das ist die regel|aerztin geraten|haben mich gebeten|lach mich)\b|\b(?:hat|haben) (?:gestern|gleich)\b|^(?:ich bin grad|hab dir|ich hab|bin gespannt|anna war|tina holt|wem soll|um einen)\b",
    ),
)
DONE = Hand(
    yes=(
        rf"\b(?:ist|sind|hab|habe|haben|hat|wurden?|ihr geraet ist|bin)\b[^.?!]{{0,70}}\b{DONE_AS}\b",
        rf"^(?:so,? |ok,? |gerade |grad |endlich |alles )?(?:\w+ ){{0,4}}{DONE_AS}\b(?:[,.!:]|$| und| aufgebaut| am| arm)",
        r"\b(?:erledigt|fertig|check|deploy durch|laeuft wieder|habe fertig|vom tisch|ist (?:durch|drauf|raus|geschlossen|online|erfolgt|gestellt|gestimmt)|sind (?:raus|drueben|online|importiert)|is scho g\w+|han d \w+|war da,|war draussen|liegen im|steht vor der|du kannst dich wieder|kann abgeholt|weiss es jetzt)\b",
    ),
    no=(
        r"\?|\b(?:noch (?:nicht|nichts|nix|offen|lange nicht|zwei|zu|muss)|nicht fertig|nix ist|erst halb|halb fertig|fast|beinahe|muss(?:ten?)?|muessen|muessten|koennen|kannst du|sollte|waere?|haette|hast du|falls|wenn'?s|sobald|sag bescheid|ohne die|voraussichtlich|bis \d|wird naechste|wollte es|angeblich|angefangen|prozent|grad beim|nach dem essen|morgen kommt|ich nach|zwar|eingestellt|bitte erledigen)\b",
        r"\b(?:gut gemacht|tut mir leid|fix und fertig|macht mich fertig|voellig am ende|so was von erledigt|komplett erledigt|total geschafft|total \w+|abgeschlossene\w*|war abgeschlossen|gesendet|verstanden|verdient|hingekriegt|ausverkauft|gelaufen|vorbei|nicht mehr geschafft|das falsche|alte heizung|beleidigt|gestreikt|geruecht|froh|fehler passiert|leer|dabei war|starke leistung|danke!$)\b",
    ),
)
FRICTION = Hand(
    yes=(
        r"\b(?:geht|gehen|funktioniert|funktionieren|klappt|klappen|laeuft|springt|passt|stimmt|stimmen|erkennt|oeffnet|laedt|reagiert|nimmt)\b[^.?!]{0,40}\b(?:nicht|nimmer|nix|kein\w*|ned|net|gar nicht|auch nicht)\b",
        r"\b(?:schon wieder|schon wieda|immer noch (?:nicht|nix|kein)|wieder nicht|wieder eine absage|wieder mit den falschen|hat wieder|schon zum|jedes mal|jede woche|staendig|dauernd)\b",
        r"\b(?:stuerzt|abgestuerzt|kaputt|defekt|gesperrt|blockiert|haengt|steckt (?:fest|schon)|haenge (?:da|fest)|bricht .{0,25} ab|schlaegt .{0,25} fehl|schlaegt fehl|down\b|lahmgelegt|friert|ausgefallen|stromausfall|absturz|fehler \d+|zugriff verweigert|zurueckgewiesen|abgelehnt|502|timeout|versetzt|faellt wohl flach|kollidiert|konflikte?)\b",
        r"\b(?:keiner|niemand|niemanden|nobody|kein mensch)\b[^.?!]{0,60}\b(?:zustaendig|schaut|traegt|sagt|antwortet|hebt|erreich\w*|fuehlt|meldet|weiss|hilft|ab)\b|\bich erreiche\b|\bsagt mir niemand\b|\bkeiner sagt\b|\bhebt nicht ab\b|\bpassiert ist (?:nix|nichts|bislang)\b",
        r"\b(?:komme?|kommt|kann|koennen|konnte|koennten)\b[^.?!]{0,40}\b(?:nicht (?:weiter|rein|an|arbeiten|testen|fertig|mehr|zahlen|annehmen|in den)|nix testen|nichts zeigen|grad nichts|gerade keine|zu spaet|so nicht|nicht)\b",
        r"\b(?:nervt|aergert|frustrierend|mir reicht|reicht'?s|jetzt reicht|keine lust mehr|keinen bock|unmoeglich|unterirdisch|zaeh\b|lahm\b|so macht das keinen|finde es schwierig|schiefgelaufen|schief gegangen|falsch\w* (?:tag|preise\w*|adresse|datum)|aus dem ruder|beschweren|so war das nicht ausgemacht|anders gemeint|aneinander vorbei|missverstaendnis|funktioniert einfach nicht)\b",
        r"\b(?:fehlt|fehlen)\b[^.?!]{0,50}\b(?:seit|noch|mir|drei|wieder|leute|zugang|kann|weil|uebersetzungen)\b|\bmir fehl(?:t|en)\b|\badapter fehlt\b|\b(?:verpasst|verspaetet|ueberzogen|hinterher|hinken|warte (?:jetzt )?seit|wartet seit|seit (?:tagen|wochen|gestern|heute vormittag|stunden|neun tagen|drei tagen|zwei wochen))\b",
        r"\b(?:dreimal angeschrieben|nachgehakt|nicht rausgestellt|nicht aufgetankt|nicht gespeichert|nicht online|unterbrochen|bekommt nichts|nichts davon mitbekommt|wird dat nix|jetzt sitz ich|das darf uns nicht|brummt so laut|frisst meinen|eiskalt geduscht|stauen sich|loggt mich|doppelt angelegt|verbraucht)\b",
    ),
    no=(
        r"\b(?:kein (?:stress|problem|thema)|keine (?:eile|sorge|beschwerden)|laeuft (?:alles|jetzt|wieder|stabil)|geht alles|wieder normal|ist aufgehoben|hat sich erledigt|aufgeklaert|vom tisch|gott sei dank|zum glueck|ohne fehler|auf die minute|alles gut|nicht schlimm|einwandfrei|stabil|ohne theater|kann nicht klagen|geplant|absicht|wie neu|herrlich|juhu|haha|lol|kaputtgelacht|wie geil|punkt \d ist durch|schatz|nochmals vielen dank|ruckzuck|alles weg)\b|😁|😅|😄|😊|🎶|😎|🎂",
        r"\b(?:was der unterschied|wie heisst|schon jemandem zugewiesen|wer nervt mehr|in der doku steht|glueckwuensche|in physik|noch mal von vorn|erklaerst du mir|treffpunkt|opa|nur fragen|bin noch nicht muede|handbuch|schulung|nicht verlaengert|link zur)\b",
    ),
)
REWORK = Hand(
    yes=(
        r"^(?:nein|ne|noe|falsch|quatsch|nicht ganz|stimmt nicht|funktioniert nicht|geht (?:leider )?nicht|kompiliert nicht|immer noch|unvollstaendig|zu lang|zu kurz|hae|aeh nein|hm|sorry,? aber|so (?:wollte|nicht|kann)|ergibt keinen|leider hast)\b(?!,? (?:ich habe keine|ich meine das|passt|danke|alles gut)|[.,]? passt)",
        r"\b(?:das|es|dein\w*|die|der|so) [^.?!]{0,40}\b(?:stimmt (?:so )?nicht|ist (?:komplett |leider |so |wieder )?(?:falsch|veraltet|die alte|quatsch|unvollstaendig)|passt (?:ueberhaupt |so )?nicht|reimt sich ja|kann nicht stimmen|existiert\w* (?:darin )?nicht|gibt es bei mir nicht|klingt komplett|bringt mir nichts|hat nichts geaendert|fehlen alle|war nicht meine frage|war jetzt aber|is quatsch|bricht .* ab)\b",
        r"\bdu (?:hast|drehst|erklaerst|hattest|solltest|gibst|angibst|bist|machst|ignorierst)\b[^.?!]*\b(?:vergessen|ignoriert|weggelassen|durcheinander\w*|nicht (?:beantwortet|beruecksichtigt|beachtet|geoeffnet)|gar nicht|ueberhaupt nicht|vertauscht|umbenannt|wiederholt|im kreis|falsche\w*|geloescht|verwechselt|schon|b angekreuzt|brot|textstelle belegen|erfunden)\b",
        r"\b(?:hatte ich|hab ich|habe ich|ich hatte|ich sagte|ich hab|wie oben|die hatte ich|obwohl ich)\b[^.?!]*\b(?:gesagt|geschrieben|doch|ausdruecklich|gefragt|angegeben|mitgegeben|zweimal|extra|vegetarisch)\b|\bich sagte\b|\bich woll?te? (?:keine|wissen|3|nur|eine kurze|den)\b|\bich frage nach\b|\bwie oben geschrieben\b|\bich brauche es als\b|\bsollte er ja\b",
        r"\b(?:nochmal|noch mal|noch einmal|neu)\b[^.?!]{0,20}\b(?:ran|durch|schreiben|pruefen|ausgeben|genau|an|von vorne)\b|\b(?:versuch es|ueberpruef|rechne|schau dir|lies meine|bitte korrigieren|bessere das|stell die bitte wieder|bitte pruefen|setz sie bitte|nenne mir bitte echte|schreib richtige|bitte neu|bitte alle \d+|rechne nach)\b(?!.*\b(?:muell|abi|text auf|folgenden)\b)",
        r"\b(?:derselbe fehler|gleiche fehler|modulenotfounderror|typeerror|syntaxfehler|noch schlimmer|immer noch (?:an|ver|nicht)|doppelte zeilen|loescht jetzt alle|matcht leere|gibt #|wo bleiben die|wo ist die aenderung|semikolon fehlt|komme ich auf|ohne gendersternchen|reagiert immer noch|sondern nur|und keinen roman|nichts verbessert|nix verbessert|auf deutsch antworten|warum (?:hast|antwortest) du)\b",
    ),
    no=(
        r"\b(?:danke|super|genau\b(?! durch)|klingt gut|hat geklappt|funktioniert wieder|gefaellt mir|zufrieden|echt gut|passt so|alles richtig|fein!|cool|laeuft|richtig gut|wow|die ersten waren|war gut|anders ueberlegt|vertippt|doch lieber|mach weiter|nicht noetig)\b",
        r"^(?:schreib|erklaere?|formuliere|was (?:heisst|mache|kann)|wie (?:reagiere|weise)|woran|welche|pruefe den|ich (?:soll|bekomme|bin nicht|verstehe|versuche)|mein (?:drucker|kollege|python)|ist |richtig oder|spiel|nein, ich|gradle|gegenfrage|wiederhole|jetzt bitte alles)\b(?!.*\b(?:du hast|deine)\b)",
    ),
)
OPPORTUNITY = Hand(
    yes=(
        r"\b(?:preisliste|kostenvoranschlag|offerte|angebot (?:fuer|mit|machen)|stueckpreis|leasingrate|expose|grossauftrag|vergleichsangebote|rahmenvertrag|kaufpreis|liefertermine?|auftragsarbeiten|demo (?:fuer|zeigen|kosten)|live demo|inhouse-schulung|seminarraum|testzugang|firmenlizenz|pitchdeck|pitch)\b(?!.*\b(?:letzten herbst|liegt|unterschrieben)\b)",
        r"\b(?:was|wie ?viel|wieviel) (?:kostet|kosten|wuerde(?:st)?|verlangst|verlangen|nimmst|nehmt|wuerdet)\b[^.]*\b(?:bei (?:euch|ihnen|dir)|fuer (?:unser|den|ein|uns)|demo|betrieb|es kosten|stunde|team|ihr|sie)\b",
        r"\b(?:interesse,? (?:uns|bei uns|an (?:ihr\w*|eur\w*|dein\w*|einer zusammenarbeit))|interessieren uns|wuerden fix buchen|wuerden gern(?:e)? (?:kaufen|bestellen|buchen)|ihnen gern|abkaufen|ins sortiment|umzustellen|einsteigen|auftrag fuer dich|haetten einen auftrag|geld is(?:t)? da|gruenes licht|gut bezahlt|budget|vorschuss|abwerben|einladen|erstmal \d+|pro woche)\b",
        r"\b(?:sucht|suchen|suche)\b[^.?!]{0,60}\b(?:nachmieter|nachfolger|haendler|unternehmen|steuerberater|texter|trainer|expert\w+|dringend|freelancer|lehrling\w*|gruendungen|entwickler|zum thema|partner fuer|hilfe bei|einen neuen|noch ein)\b",
        r"\b(?:foerderaufruf|foerderung|foerderstelle|stipendium|call for papers|ausschreibung|schreibt .{0,25} (?:neu )?aus|mentoringprogramm|einreichung bis|antraege|bewerbung laeuft|frist ist der|plaetze im)\b[^.]*\b(?:offen|bis|draussen|laeuft|moeglich|melden|frist|noch|aus)\b",
        r"\b(?:wuerdet ihr|wuerden sie|koennt ihr|koennen sie|koennten wir|koenntest|koennen wir|machst du|bietet ihr|bieten sie|liefert ihr|gebt ihr unterricht|bist du noch als)\b[^.]*\b(?:auch|fuer unser\w*|uns|mal telefonieren|auftrags\w*|zeigen|machen|freelancer|liefern|kostenvoranschlag|an)\b",
        r"\b(?:kontakt zu eurem|vermitteln|dich mit \w+ verbinden|investor\w*|verlag hat angefragt|hat sich gemeldet|moechte wissen, ob wir|moechten eine|stelle wird|geht in pension|hoert (?:ende|auf)|hoert .* auf|riesenmarkt|fragen dauernd nach|sollt ich ins angebot|nicht mehr zufrieden|unzufrieden|massenentlassungen|lieferzeit mittlerweile|von unserem jetzigen anbieter|weil kein kind|wollen einen termin|waer das nix fuer|im laden .* unterbringen|kanzleien einsteigen|unterricht gibst|haetten fuer ihre|was passendes|gratis werbung)\b",
    ),
    no=(
        r"\b(?:nicht bekommen|leider (?:ist die stelle|seit gestern)|vorbei|zurueckgezogen|keinen mehr|zu spaet|geld zurueck|zumutung|gutschrift|nicht zufrieden|tausch\w*|ausverkauf|pulli|miete|rein zum spass|pizza|fuer mich die|brot|kontoauszuege|klonen|get_price|serie|panini|matratze|dinosaurier|gelegenheit, sie|minus 50|in der funktion|bestellt, kommt|predigt|gehabt|abholen nehm)\b",
        r"\b(?:so ist der deal|kannst nicht meckern|kollektivvertrag|messe am sonntag|foerderschule|superstar|klassenkassa|ersetze es)\b",
    ),
)
TONE = Tone(
    good="""danke dankbar super toll schoen schoene schoener schoenes schoenen schoener genial geil saugeil mega cool leiwand spitze klasse prima perfekt wunderbar wunderbare herrlich grossartig fantastisch liebe lieb lieben liebste
    froh gluecklich glueck freu freue freut freuen gfrei stolz erleichtert begeistert zufrieden zufriedener tofreden geniessen geniesse lachen gelacht lustig suess suesse sooo beste besten bester allerbesten besser top hammer bombe
    gaensehaut empfehlen uebertroffen gelungen gelungenes lob spass gut gute guter gutes bravo juhu hurra endlich gratuliere glueckwunsch umgehauen traum traumhaft sauber saubere feine fein nett nette faire merci isch lueppt
    gewonnen platz knutschen zauberst genossen angenehm entspannt gemuetlich lecker koestlich sensationell unglaublich-gut killer-feature dabei gfoit stimmung ueberraschung wow yeah haha hihi yes ja-voll aeusserst""",
    bad="""schlecht schlechte schlechter schlimm furchtbar schrecklich grauenhaft mies miese beschissen scheisse scheiss mist kacke kotzt kotze nervt nervig traurig enttaeuscht enttaeuschend wuetend sauer veraergert
    peinlich schaeme schaem angst graut sorgen besorgt weh schmerz weint weinen heul allein einsam vermisse gestorben tot krebs verloren ausgeschieden kalt unfreundlich frechheit unverschaemt schlampig gelogen
    luege ausreden hasse haesslich schiach oede langweilig muehsam anstrengend muede fertig ruecksichtslos schande schade leider versauen versaut angeschnauzt schreit uebergangen unfair katastrophe chaos stress
    ueberfordert hilflos verzweifelt frust frustriert bock reichts kaputt unmoeglich muell sinnlos umsonst dumm bloed bloede idiot depp saudumm arg schuld sticheleien leer ernuechternd unzufrieden beschwerde unzumutbar""",
    negations="nicht kein keine keinen keiner keinem ned net nie niemals ohne kaum weder nix nichts",
    phrases={
        "danke fuer nichts": -5, "unter aller sau": -5, "nicht meckern": 4, "nichts auszusetzen": 4, "nichts zu bemaengeln": 5, "kein vergleich": 2, "kein einziger fehler": 3, "nicht mehr hergeben": 4, "nix schoeneres": 3,
        "koennte nicht besser": 4, "kein bisschen langweilig": 4, "schon lang nimmer so gelacht": 4, "war anfangs skeptisch": 1, "haett nie gedacht": 1, "bei allem respekt": -4, "mit verlaub": -4, "keine spur": -3, "nie wieder": -4,
        "frueher mal": -3, "hatte ehrlich gesagt mehr erwartet": -4, "mehr erwartet": -3, "wie die nacht": -2, "keine sau": -4, "was soll der": -3, "toll gemacht, jetzt": -5, "ja wieder prima": -5, "glueckwunsch, du hast": -5, "so hab ich mir": -3,
        "nicht gerade das": -4, "so gut wie nichts": -4, "ueberhaupt nicht gut": -4, "gar nichts gebracht": -4, "keine gute": -4, "hinten und vorne nicht": -4, "mit den nerven am ende": -4, "es waere schoen, wenn": -4, "am liebsten wuerd": -2,
        "geld rausgeschmissen": -4, "schade ums geld": -4, "kein wort mehr": -3, "einfach vergessen": -3, "ich sterbe, das bild": 4, "zu gut": 2, "beat ist krank": 4, "absolute abriss": 4, "kein schlechter": 3, "nicht schlecht": 3, "nicht uebel": 3,
        "vorbei ist und so gut": 3, "unauffaellig": 3, "wie daheim": 2, "tausendmal": 2, "den tag gerettet": 4, "um welten": 3, "im gegenteil": 2, "bereu nix": 2, "wieder daheim": 1, "von cool": 2, "ich zieh aus": -2, "wie kann man nur": -3,
        "guten morgen": 0, "gute nacht": 0, "guten tag": 0, "liebe eltern": 0, "liebe gruesse": 0, "sehr geehrte": 0, "weiss grad nicht weiter": -3, "unfassbar traurig": -4, "lieg nachts wach": -3, "noch nie so allein": -4, "im boden versinken": -4,
    },
)  # fmt: skip
GERMAN = Language(
    code="de",
    name="German",
    stop="der die das und ich ist nicht zu du es ein in den mit auf so wir auch aber noch hab fuer von im dem war wie was ja sich dass bei",
    share=0.12,
    common="""aber alle alles also auch auf aus bald beim bin bis bitte bist dann danke dass dein deine dem den denn der des dich die dir doch dort durch eher
    eigentlich ein eine einem einen einer eines einfach er erst es etwas  euch fuer ganz gar gehen geht genau gerade gern gerne gibt grad gut gute
    guten hab habe haben habt halt hat hatte heute hier ich ihm ihn ihr immer ins ist jeder jetzt kann kein keine klar kommen kommt kannst koennen
    leider lieber machen macht mache mal man mehr mein meine mich mir mit morgen muss nach naechste nein nicht nichts noch nochmal nur oder oben ohne
    okay passt schon sehr sein seine seit sich sie sind sollte sonst  tag ueber unser unsere unter viel viele vielleicht vom von vor wann war waren
    warum was weil weiss welche wenn wer werde werden wie wieder wieso wird wirklich wo woche wollen worden wurde zeit zum zur zwei  montag dienstag
    mittwoch donnerstag freitag samstag sonntag gestern""",
    hands={
        "question": QUESTION,
        "promise": PROMISE,
        "decision": DECISION,
        "action": ACTION,
        "done": DONE,
        "friction": FRICTION,
        "rework": REWORK,
        "opportunity": OPPORTUNITY,
        "good": Felt(TONE, 1),
        "bad": Felt(TONE, -1),
    },
)  # fmt: skip
