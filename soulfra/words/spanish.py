"""Spanish."""

from soulfra.words.language import Language

SPANISH = Language(
    "es",
    "Spanish",
    stop="el la los las de que y en un una es no lo por con para te me mi tu yo al del pero como mas ya esta si le muy hay eso esto",
    share=0.19,
    common="""
    este esta esto estos estas ese esa eso esos esas aquel aquella algo alguien alguna alguno algun alguna nada nadie ninguna
    ninguno ningun todo toda todos todas otro otra otros otras mismo misma mucho mucha muchos muchas poco poca pocos pocas mas
    menos muy bien mal mejor peor tanto tanta tambien tampoco ademas entonces luego despues antes ahora hoy ayer manana noche
    tarde dias semana semanas lunes martes miercoles jueves viernes sabado domingo siempre nunca quizas quiza aunque porque
    cuando donde como cual cuales quien quienes cuanto cuanta cuantos desde hasta entre sobre segun contra hacia para pero sino
    estoy estas estamos estan estaba estaban estar este soy eres somos seria sera fueron fuimos fuiste tengo tienes tiene
    tenemos tienen tenia tener hago hace haces hacen hacemos hacer hecho hizo voy vamos vais puedo puedes puede podemos pueden
    poder podria podrias quiero quieres quiere queremos quieren querer debo debes debe deben creo crees cree parece digo dices
    dice dicen decir dijo dije saber sabes sabe viene vienen venir llega llegar pasa pasar sale salir solo sola casi cada vale
    bueno buena buenos buenas claro gracias hola favor jaja jajaja verdad cosa cosas gente rato veces nosotros ustedes ellos
    ellas usted aqui alla ahi hemos habia haber sido
    """,
    polite="por favor, porfa, porfavor, gracias, podrias, podria, podrian, disculpa, disculpe, perdona, perdone, saludos, atentamente, estimad*, amable, agradec*",
    casual="jaja, jajaj, jajaj*, jeje, tio, tia, wey, guey, che, boludo, parce, mola, guay, chido, vale, pues, finde, porfa, xd, ntp, tqm, obvio, bro",
)
