"""French."""

from soulfra.words.language import Language

FRENCH = Language(
    "fr",
    "French",
    stop="le la les de des du et en un une est pas ne que qui je tu il elle nous vous c'est j'ai pour avec sur au aux dans mais ca ce plus",
    share=0.19,
    common="""
    avec avoir avait avais avez avons aura aurait auras alors apres aussi autre autres avant bien bientot bonjour bonsoir bonne
    bons c'est c'etait cela celle celui ceux chaque chez comme comment contre dans deja demain depuis dernier derniere des deux
    dire dit dois doit doivent donc d'accord d'abord elle elles encore entre es-tu est-ce etaient etait etais ete etes etre faire
    fait faites fais faut fois font grand grande hier ici ils jamais jour jours j'ai j'avais j'aime jusqu'a juste l'autre leur
    leurs lundi mardi mercredi jeudi vendredi samedi dimanche maintenant mais matin meme mieux moins mois moment mon notre nous
    nouveau nouvelle parce parfois pas pense pendant personne petit petite peut peut-etre peux plus plutot pour pourquoi pourrait
    pouvez pouvoir presque prochain puis puisque quand quel quelle quelles quels quelque quelques quelqu'un qu'elle qu'il qu'on
    quoi rien sais sait sans savoir semaine sera serait seulement si soir sois soit sommes son sont sous souvent sur surtout tard
    tellement temps tous tout toute toutes tres trop trouve truc trucs un une vais vas veut veux viens vient voila voir vois vont
    votre vous vraiment merci salut oui non ouais okay chose choses gens
    """,
    polite="merci, s'il vous, s'il te, svp, stp, pourriez-vous, pourrais-tu, pourriez vous, pourrais tu, veuillez, cordiale*, excusez-moi, excuse-moi, desole, desolee, bonjour, salutat*, auriez-vous",
    casual="mdr, ptdr, lol, haha, hahah, ouais, ouai, nan, bah, ben, t'inqui*, t'inquiete, jsuis, j'suis, chuis, grave, trop, kiffe, mec, meuf, wesh, cool, bisous, biz, coucou, dispo, tkt, bcp",
)
