"""Portuguese."""

from soulfra.words.language import Language

PORTUGUESE = Language(
    "pt",
    "Portuguese",
    stop="o os as de que e em um uma nao por com para te me eu do da dos das na mas como mais ja ta ele ela voce isso muito tem ao pra foi",
    share=0.19,
    common="""
    ainda agora algo alguem alguma algumas algum alguns amanha antes apenas aqui aquela aquele aquilo assim ate cada certo claro
    coisa coisas com como contra das dele dela deles depois desde dessa desse desta deste deve devem dia dias dizer disse diz
    domingo dos ela elas ele eles embora entao entre era eram esse essa esses essas esta este estes estas estao estamos estava
    estavam estou fazer faco fazem faz feito fica ficar ficou foram fosse gente gosto gostei haver hoje hora horas isso isto
    legal lhe logo mais mal mas melhor menos mesma mesmo minha minhas meu meus muita muitas muito muitos nada nao nas nem nenhum
    nenhuma nesse nessa neste nesta ninguem noite nos nossa nosso numa nunca obrigado obrigada ontem onde outra outras outro
    outros para parece pela pelo pessoal pode podem podemos poder podia pois porque posso pouca pouco pra praticamente precisa
    preciso primeiro proximo proxima qual quais qualquer quando quanto quanta quase quem quer quero queria sabe saber sabado
    segunda terca quarta quinta sexta feira sei seja sem semana sempre sendo ser sera seria seu seus sim sobre sou sua suas tal
    talvez tambem tanto tarde tem temos tenho tens ter teve tinha toda todas todo todos tudo uma umas umas vai vamos vao vem vendo
    ver vez vezes voce voces volta vou bom boa bons boas oi ola dia beleza blz valeu entao
    """,
    polite="por favor, pfv, obrigado, obrigada, obrigad*, poderia, poderias, pode por, gentileza, desculpa, desculpe, agradec*, atenciosa*, atentamente, cumprime*, prezado, prezada, se faz",
    casual="kkk, kkkk, kkkkk*, kkkkk, rsrs, haha, cara, mano, mana, galera, vlw, blz, beleza, fixe, bue, pa, ta, tava, tipo, ne, oxe, bora, top, show, tmj, malta, opa, vish, po",
)
