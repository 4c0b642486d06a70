"""English: what people write when they ask, promise, decide, ... Patterns are matched against lower-case text without
code, addresses and quotations."""

from __future__ import annotations

from soulfra.words.language import Felt, Hand, Language, Tone

AUX = r"(?:is|are|was|were|do|does|did|can|could|should|would|will|have|has|had|am)"
WHO = r"(?:i|you|u|ya|we|they|he|she|it|this|that|there|the|these|those|any|anyone|anybody|someone|somebody|everyone|everything|your|my|our|his|her|their|\w{3,}s)"
TASK = (
    r"(?:send|book|call|ring|phone|text|mail|email|move|take|put|turn|write|summari[sz]e|rewrite|convert|proofread|reply|review|delete"
    r"|assign|clean|tidy|pick|bring|buy|grab|check|update|fix|wash|lock|order|upload|download|merge|deploy|print|sign|remind|create"
    r"|generate|draft|translate|fill|drop|close|shut|open|empty|water|feed|walk|pay|transfer|return|share|prepare|schedule|invite|cancel"
    r"|submit|forward|copy|remove|install|rename|arrange|provide|confirm|approve|issue|postpone|restart|collect|fetch|finish|post|plan"
    r"|add|hand|hang|wipe|export|import|tailor|shorten|list|format|refactor|implement|change|replace|set up|look (?:at|over|into)"
    r"|have a look|take over|switch|leave|stop|wait|go through|find|give|lend|chase|cut|make|get|tell|let|hold|stick|help|explain to)"
)
DID = (
    r"(?:sent|paid|booked|finished|fixed|merged|deployed|completed|submitted|uploaded|installed|signed|scanned|returned|renamed|moved|deleted"
    r"|cleared|picked up|handed in|handed over|ordered|bought|cancelled|canceled|called|rang|phoned|texted|emailed|mailed|told|asked|wrote"
    r"|made|put|set up|swapped|replaced|changed|updated|renewed|registered|reviewed|tested|checked|cleaned|washed|hoovered|mopped|tidied"
    r"|packed|collected|dropped|delivered|posted|printed|filled|answered|replied|transferred|translated|wrapped up|sorted|reset|restarted|shipped"
    r"|migrated|closed|resolved|released|published|painted|built|mowed|planted|fed|walked|watered|did|got rid of|gone through|went through"
    r"|taken|given|written|done|typed|ticked|finali[sz]ed|arranged|confirmed|vaccinated|tagged|verified|approved|added|removed|created|saved"
    r"|copied|recorded|shared|forwarded|invited|informed|reserved|got the|handled|dealt with)"
)

QUESTION = Hand(
    yes=(
        r"\?(?=[\s?!)\"'…]|[^\x00-\x7f]|$)",
        rf"(?:^|[.!,;:\n]\s*|\b(?:hi|hey|hello|ok|so|and|but|sorry|mum|dad|guys|all)\b[,:]?\s+)(?:what|who|where|when|why|how|which|whose)"
        rf"(?:'s|s|'re|re)?\s+(?:{AUX}|time|kind|size|day|much|many|long|far|often|old|r|about|to|exit|won|else|of)\b",
        rf"(?:^|[.!;\n]\s*){AUX}\s+{WHO}\b",
        r"^(?:whos|whats|wheres|anyone|anybody|any (?:update|news|idea|chance|progress)|eta)\b",
        r"\b(?:let me know|tell me|advise|confirm|like to know|may i know|wondering|not sure) (?:if|whether|what|which|when|where|who|how|by when|it is)\b",
        r"\b(?:do|does|did|can|could|would|will|have|should) (?:you|u|they|we|anyone|anybody)\b(?! (?:like|please|as))[^.!]*$",
    ),
    no=(
        r"^(?:what an?|how (?:cool|nice|lovely|sweet|great|funny|cute|awful)|who knows|who would have|who cares|remember when)\b",
        r"\b(?:can|could) you believe\b|\bhave you ever seen such\b|\bwould it surprise you\b|\bhow many times (?:have|do) i\b|\bwhat is wrong with people\b",
        r"\byou know what\?|\byou think you've\b|^is that so\b|^(?:why|how) not\b|^oh how\b|\bi told (?:him|her|them) what\b|\beh\?$|, eh\b",
        r"\b(?:asked|asks|asking|wanted to know|wonders|learned|learnt|ask you) (?:me |him |her |us |you |them )?(?:when|what|where|who|whether|if|how|why|in)\b",
        r"^(?:when|where|what|whatever|which|how|whether|who|whoever) (?:i|he|she|they|we|you|happened|is why|it's|in)\b[^?]*$",
        r"^(?:do (?:come|as|let)|have (?:a|fun|you)|will do|can't wait|let me tell you)\b[^?]*$|\bno one ask\b|\boh yes\b",
        r"\b(?:right|lol|innit)\?$|\bisn't it\b[^?]*$",
    ),
)
PROMISE = Hand(
    yes=(
        r"\b(?:i|we)(?:'ll| will| shall|ll)(?: (?:also|then|just|try and|try to|definitely|certainly|gladly|happily|quickly|make sure))? "
        r"(?!be (?:\d|lucky|damned|fine|ok|okay|happy|sad|needing|dead|honest|missing|able|surprised|glad|home late|an?)\b|have been|never (?:get|understand|know|love)"
        r"|always|miss|love you|hate|understand|say this|scream|die|cry|need|probably|hope|think|know|believe|sleep|see about|remember|regret|feel|get used|forget you)\w+",
        r"\b(?:i'm|i am|we're|we are|im) (?:going to|gonna) (?!be|die|need|miss|cry|scream|lose|have to|hate|regret)\w+",
        r"\blet me (?:check|look into|handle|find out|ask|take care|sort|get back|deal|see what i can|have a look|do (?:it|that)|call)\b",
        r"\bleave (?:it|that|this) (?:with|to) me\b|\bconsider it done\b|\bcount on (?:me|us)\b|\bon my way\b|\b(?:i'm|im) on it\b|^on it\b|^will do\b",
        r"\b(?:i|we) (?:promise|vow|guarantee|volunteer|commit to)\b|\bpinky promise\b|\bi swear i(?:'ll| will| won't)\b|\byou have my word\b",
        r"(?:^|[.,!] )(?:ok |sure |yep |yes |brb,? |sir |got it,? )?(?:i )?will (?:send|ensure|bring|revert|check|get|let|call|share|update|look|read|review|fix|come|try|post|pay|ask)\b",
        r"\bi can (?:do|bring|take|pick|help|handle|cover|make|drive)\b(?!.*\bif\b)|\b(?:happy|glad|pleased) to (?:take|do|help|bring|cover|write|drive)\b",
        r"\byou(?:'ll| will) (?:get|have|receive) (?:it|the|your|my|our|them|an)\b.*\b(?:by|tomorrow|tonight|today|on|before|promise|this week|next week)\b",
        r"\b(?:i'm|i am|we're) (?:taking (?:the|this|that|over|care)|stepping in|coming to|pushing|sending|bringing|picking|doing it)\b|\bi owe you\b",
        r"\b(?:i|we)'?ll not forget\b|\bi'll be (?:your|there|at|round|back with)\b|\bwe'll be (?:at|there|round|with)\b",
    ),
    no=(
        r"\b(?:i )?(?:hope|think|bet|wish|guess|doubt|used to say|said|says|swears?|told) (?:i|we|he|she|they|that|you)(?:'ll|'d| will| would)?\b",
        r"\bif (?:i|we|it|you|they|he|she)(?:'d| had| win| won| was| were)\b|\bsome ?day\b|\bone day\b|\bwhen i grow\b|\band i'll scream\b|\bat this rate\b|\bunless\b",
        r"\bpromise me\b|\b(?:do|did) you want me\b|\bshall (?:i|we)\b|\b(?:i|we) won't (?:be able|make)\b|^no i won't|\bcan't (?:promise|commit)\b|\bnot going to\b",
        r"\bwill never (?:understand|know|get)\b|\bi'd (?:rather|never)\b|\blet me (?:guess|tell you)\b|\bsomeone (?:will|'ll)\b",
    ),
)
DECISION = Hand(
    yes=(
        r"\b(?:we|i|they|board|committee|family|founders|partners|team|club|council|agm|lads|parents|client|captains|and i)\b[^.?]{0,40}?\b(?:have |has |'ve |both )?(?:finally |already |all |now )?"
        r"(?:decided|agreed (?:on|to|for|that|last)|settled on|chosen|voted|finali[sz]ed|opted for|gone (?:with|for)|signed off|approved|rejected|confirmed the)\b",
        r"^(?:ok |so |right,? |yes,? )?(?:decision|decided|decision made|agreed|final (?:answer|list|decision)|settled|approved|resolved)\s*[:,]",
        r"\b(?:then it's|it's|it is) (?:agreed|settled|decided|official|final)\b|\bdone deal\b|\b(?:has|have) been (?:decided|agreed|approved|finali[sz]ed|chosen)\b|\bwas agreed\b",
        r"\b\w+ it is(?: then)?\s*[!.🏕]|\b\w+ it is(?: then)?$|\bthat's (?:settled|decided|final)\b|\bsettled on\b|\bi'm sold\b|\bso be it\b|\bby popular vote\b",
        r"\blet's (?:go with|go for|stick (?:with|to)|settle (?:on|for)|leave it (?:at|there)|do \w+ then|take the|keep it at)\b|\b(?:we )?go with \w+ [a-z0-9]+ because\b",
        r"(?:^|\b(?:i'm|i am|we're|we are|we'll be) )(?:not )?(?:going with|going for (?:the|a)|sticking with|keeping the|dropping|switching (?:to|over)|staying\b|skipping|renewing"
        r"|getting the|taking the offer|cancelling|flying on|calling (?:the|it)|moving (?:to|in)|selling|closing|buying the)\b",
        r"\b(?:i|we)(?:'ve| have)? (?:went|gone|picked|chose|chosen|ended up|opted|took the decision|took the one|let the)\b.{0,20}\b(?:for|with|the|on|picking|taking|to)\b",
        r"^(?:ok |right,? )?(?:scrap|scratch) (?:the|that)\b|\b(?:hotel|date|venue|flat|flight|kickoff|release|curfew|price|proposal|fee)s?\b.{0,25}\b(?:fixed|finali[sz]ed|booked in|moved to|stays|is on the|accepted|will be \d)\b",
        r"\b(?:was|were) (?:accepted|rejected|voted|carried)\b|\bwe'll (?:use|cancel|go with|drop|stick)\b.{0,60}\b(?:discussed|then|both|agreed)\b|\bfixed the date\b|\bcompromise we reached\b",
        r"\b(?:my|our) mind is made up\b|\bno more (?:polls|discussion)\b|\bsummary of (?:today|the call)\b|\bconsensus (?:is|was)\b",
    ),
    no=(
        r"\?|\b(?:haven't|hasn't|not|nothing|never|yet to|no decision|isn't|can't|couldn't) (?:\w+ ){0,2}(?:decid|agre|settl|chos|choos|approv|fix|certain|made up)",
        r"\bundecided\b|\bleaning (?:to|towards)\b|\bthinking (?:of|about)\b|\binclined\b|\bmight\b|\bi'd (?:suggest|say)\b|\bif everyone\b|\bif they\b|\bwould have\b|\bdepends\b|\bpending\b",
        r"\b(?:umpires?|referee|government|jury|court|parliament|apple|google|var|steering committee will)\b|\bneed to (?:make a|decide)\b|\bwho decided\b|\bdeciding\b|\buntil (?:they|we|sunday|monday)\b",
        r"\bagree with you\b|\bopen until\b|\bup to you\b|\bto decide\b",
    ),
)
ACTION = Hand(
    yes=(
        rf"\b(?:please|pls|plz|kindly)\b,?(?: (?:could|can) (?:you|everyone|someone))?(?: (?:all|just|also|do|not|don't))? {TASK}\b",
        rf"\b(?:can|could|would|will) (?:you|u|ya|someone|somebody|anyone|everyone)(?: (?:please|pls|quickly|also|maybe|just|all))? {TASK}\b(?! me (?:what|who|when|why|if|how)| out if)",
        rf"(?:^|[.!:;\n]\s+|@[\w-]+[:,]?\s+|\b(?:and|then|so|hey|hi \w+,) )(?:please |pls )?{TASK} (?:the|a|an|my|your|our|me|us|this|that|these|those|it|him|her|them|all|two|some|in|up|out|to|over|down|off|on|back|below|unit|pic|rex|\w+'s|\d+)\b",
        r"\b(?:todo|to-do|to do|action(?: item| point)?|ai)\b\s*[:\-]|\btodo \w+",
        rf"@[\w-]+[,:]? (?:please|pls|can|could|you|{TASK})\b",
        rf"\b(?:i|we) (?:need|want|would like|'d like) (?:you|someone|somebody|him|her) to\b|\byou (?:need|have) to {TASK}\b|\brequest you to\b|\bbe so kind\b|\bcould i ask you to\b|\bpossible for you to\b",
        r"\bdon't forget to\b|\bremember to\b|\bmake sure (?:to|you|that you)\b|\bif you could\b|\byour turn to\b|\bneeds to be \w+ed by you\b|\bi need two volunteers\b|\bcan i have you\b",
        rf"^(?:please |pls )?{TASK}\b[^.?]*\b(?:by|before|until|today|tomorrow|tonight|asap|please|now|this week|when you)\b",
        r"\b[a-z]{2,12}: (?:laundry|bathroom|kitchen|dishes|cooking|shopping|drinks|music)\b|\b(?:books|orders|brings|takes|does|handles) the \w+,? and [a-z]+,? (?:you|the)\b",
    ),
    no=(
        r"\b(?:please|pls) (?:note|accept|tell me you're|be advised|find (?:attached|enclosed)|enjoy|no one|excuse)\b|\bwho can tell\b|\bcan you tell me\b",
        r"\b(?:take care|get well|have fun|hold on|give me a break|call me crazy|trust me|let me tell|let it (?:rest|be|cool)|keep calm|never mind|stop it\b|wish me|get over it|take it easy|make yourself|tell me about it|leave me alone|let me know what you think)\b",
        r"\b(?:add|beat|stir|slice|bake|fry|simmer|boil|whisk) (?:the|well|for|until|in|thinly)\b|\bis always the first\b|\bmy mum always\b|\bthat's our rule\b|\bi've been asked\b|\basked me to\b|\bhas to\b",
        r"\btry turning\b|\bas they say\b|\bin this course\b|\byou could ask\b|^i'll\b",
    ),
)
DONE = Hand(
    yes=(
        rf"\b(?:i|we)(?:'ve| have)?(?: just| already| now| finally| also| both)* {DID}\b",
        rf"(?:^|[.!,;] |\b(?:ok|right|and|just|finally|all|now|already|yes|done:) )(?:just |finally |already |now )?{DID}\b(?! (?:off|each|\w+ yesterday if))",
        rf"\b(?:is|are|was|were|been|'s|got|all|has been|have been|went|gone)(?: (?:now|all|already|just|both|finally|back|fully))* {DID}\b(?! by\b)",
        r"\b(?:is|are|'s|all) (?:now |all )?(?:ready|done|up and running|live|out|up|in|in place|back (?:in|home)|off|clean|laid|complete|over to you|paid off)\b",
        r"\b(?:it's|that's) done\b|\bdone and (?:dusted|put away)\b|\btask completed\b|\bgot the tickets\b|\bover to (?:you|qa)\b|\bshould (?:work|be live) now\b|\bcheck your inbox\b|\bin your tray\b",
        r"\b(?:payment|registration|jabs|homework|backup|migration|deploy\w*|import|export|booking|order|groceries|dishes|delivery)\b[^.?]{0,20}\b(?:done|finished|completed?|passed|went out|through|successful)\b",
        r"\bthey've signed\b|\bpassed (?:its|the|all)\b|\btook (?:printout|it to)\b|\bhave (?:now )?(?:taken|answered|finished|completed)\b|\bstraight to\b.*\bdone\b",
    ),
    no=(
        r"\?|\b(?:not|n't|never|isn't|haven't|hasn't|didn't|yet|almost|nearly|half|halfway|half way|about to|going to|gonna|tomorrow we|should be|will be|would(?: have)?|i'd|if|once|unless|until|waiting|when you're|meaning to|has to be|can get|let's get)\b(?! (?:any|a lot))",
        r"\bwell done\b|\bnicely done\b|\b(?:said|done) (?:than|thing|for if)\b|\bover and done\b|\bsent (?:from|off|back)\b|\bfixed (?:rate|costs?|on)\b|\bready made\b|\bready, steady\b|\bcompleted form\b|\bit says\b|\bmy phone is done\b",
        r"\b(?:told us|says|said) (?:it|they|the builder)\b|\d+ ?% of\b|\bwhat have i done\b|\bfinished (?:each|its life)\b|\bclosed (?:on|the door)\b|\bcompletely\b|\bstarted on\b|\bi'm done with\b|\blook finished\b|\bdone when\b",
    ),
)
FRICTION = Hand(
    yes=(
        r"\b(?:can't|cannot|cant|couldn't|couldnt|not able to|unable to|don't get|won't let|doesn't let) (?:even |seem to )?(?:log|open|get|find|access|make any|reproduce|reach|hear|start|connect|upload|download|print|see|use|join|move|proceed|work|sleep|promise any|into|send|pay)",
        r"\b(?:not working|doesn't work|doesnt work|don't work|won't (?:start|open|load|fit|turn)|doesn't fit|doesnt fit|isn't working|stopped working|doesn't (?:pick up|answer|respond|load)|isn't answering|aren't speaking|not speaking)\b",
        r"\b(?:crash(?:es|ed|ing)|fail(?:s|ed|ing) (?:at|again|with|to|on|because|every)|deploy failed|error (?:as|again|on|when|since)|same (?:error|problem|timeout|issue)|keeps (?:\w+ing)|dies silently|hung|hangs|bounced|timed out|times out|freezes)\b",
        r"\b(?:we have|i have|there(?:'s| is| are| seems to be)|facing|having|got|another|big|huge|major) (?:an? |some )?(?:problem|issue|misunderstanding|trouble|bug|conflict|outage|delay)s?\b",
        r"\b(?:is|are|was|were|been|got|getting|am|'m|still|'s) (?:\w+ )?(?:stuck|blocked|broken|jammed|locked out|locked\b|flooded|flaky|cancel?led|overwritten|double booked|delayed|overdue|unusable|useless|a mess|down (?:again|since)|idle|ignored|unfair|late again|pending from|missing again)\b",
        r"\b(?:nobody|no one|noone|no-one) (?:told|knows|has|answers|picks|replies|reads|cares|does|ever)\b|\bno (?:reply|answer|response|access|slot|outcome|progress|way to reach)\b|\bstill (?:no|not|waiting|nothing|missing)\b|\bdidn'?t get (?:the|any)\b",
        r"\b(?:annoying|annoyed|frustrat\w+|ridiculous|unacceptable|fed up|getting old|sick of|a (?:real )?pain|kind of disappointing|drives me|argh|ugh|not ok\b|had enough|so tired of)\b",
        r"\b(?:double booked|ran out of|run out of|missed the|lost the (?:order|client|file)|from scratch|start over|on hold|short notice|last minute|bailed|no show|let us down|never (?:taken|done|works|replies|cleaned)|too many (?:meetings|emails)|round in circles|drags|clash(?:es)?|"
        r"wrong (?:date|ground|size|room|address|item|version)|went out .* late|left me|stood outside|permissions? denied|access denied|license expired|died in the middle|not at all)\b",
        r"\byou (?:said|promised) .{3,20}\. it'?s\b|\bagain\b[.!]|\bagain and again\b|\bAGAIN\b|\bis cancelled\b|\bkill me\b|\bhalf of (?:it|the team)\b|\bkeep(?:s)? (?:changing|going|whistling|sending)\b|\bwithout anyone\b|\bthen acts like\b|\bno tent\b|\bnot .{3,30} since\b",
    ),
    no=(
        r"\bno (?:problem|issue|worries|error|misunderstanding|trouble|rush)s?\b|\bwithout (?:a hitch|problems|any)\b|\b(?:resolved|solved|released|unblocked|sorted now|turned up|all good|works? (?:now|perfectly)|ready now|false alarm|relieved|finally works)\b",
        r"\b(?:what does|what's the|is ticket|could you teach)\b|\bdon'?t (?:worry|be mad)\b|\blet me know if\b|\bnothing wrong\b|\bcan't complain\b|\bnever too late\b|\bjust a joke\b|\bwait is over\b|\bbreak a leg\b|\bsay again\b|\bahead of schedule\b|\bclicked\b|\bbliss\b|\b(?:lol|haha|film|novel|band|quiz|chapter|song|poster)\b",
    ),
)
REWORK = Hand(
    yes=(
        r"^(?:no|nope|nah|wrong|incorrect|not (?:correct|quite|like that|right|what)|again|still|hm+,? (?:are you sure|no)|hä|sorry,? (?:but|that)|sry)\b(?!.{0,3}(?:that's|it's) (?:fine|ok|good|right)|,? (?:only|i haven't|thanks|problem|worries|doubt|further|need|raining)| great)",
        r"\bthat(?:'s|s| is)(?: still)? (?:wrong|not (?:right|correct|what|true|it|quite)|incorrect|the wrong)\b|\b(?:doesn't|does not|didn't|did not|doesnt|don't|isn't|is not) (?:work|answer|render|compile|exist|match|run|help|fit|make sense|do anything|do what|what i)\b",
        r"\byou (?:missed|forgot|ignored|skipped|misread|misunderstood|hallucinated|changed|removed|repeated|wrote the|mixed|swapped|left out|keep|are mixing|got (?:it|that) wrong|made (?:it|that) up|just repeated|said it would|still haven't)\b|\byou(?:'ve| have) (?:missed|misread|forgotten|ignored|used|changed|mixed|left|not)\b",
        r"\b(?:i|as i) (?:said|asked for|told you|wanted|meant|keep telling|asked you|specified|already (?:said|told))\b(?!.*\b(?:from now on)\b)|\bas i (?:asked|told|said|wrote)\b|\bi(?:'m| am) not asking\b|\bi do not want\b|\bthat'?s not what\b|\bthats not what\b",
        r"\b(?:try again|redo this|start over|do it (?:again|properly)|go through it again|check (?:your|again|each)|look it up|stick to the text|put them back|fix (?:it|that|this) please|give me the right|can you correct it|correct this|try once more)\b",
        r"\b(?:syntax error|parse error|same result|same error|cut off|half missing|is missing\b|still missing|are missing|identical with|contradicts|duplicates|worthless|useless|never ends|not working|broken import|only (?:half|7|\d+) |incomplete|wrong (?:file|language|again|answer|format|one)|far too|too (?:long|formal|short|generic|vague)|sounds like a robot|no such)\b",
        r"\b(?:it|that|this|the \w+)(?:'s| is) (?:giving me|wrong|incorrect|not working|for a|cost, not)\b|\bnow i get (?:a|an)\b|\bwhere (?:r|are) the (?:sources|\w+)\b|\bwhy (?:did|are|do) you (?:change|only|keep|remove|delete)|\bwhy are there only\b|\bapparently that\b|\bare not right\b|\bin it that aren't\b|\bshould be .* and it'?s not\b|\bcalculator says\b",
    ),
    no=(
        r"\b(?:thanks|thank you|great|nice one|perfect|that works|fixed it|exactly what|you were right|i like it|not bad|that'?s (?:fine|correct|better)|no changes needed|my mistake|i was wrong|i forgot|i missed|from now on|sorry, my)\b",
        r"^(?:write|create|explain|list|give me|turn|proofread|how|which|what|is it|tell me|please (?:rewrite|check)|draft|my (?:code|git|boss|wife|excel)|help|the customer|i (?:get|asked)|wrong number|do the same|can you redo)\b(?!.*\b(?:you|again)\b.*\b(?:wrong|missed|forgot)\b)",
    ),
)
OPPORTUNITY = Hand(
    yes=(
        r"\b(?:quote|offer|rate card|price list|ballpark|proposal|estimate|pricing|samples|demo|trial account|company licence|corporate rate|bulk order|day rate|volume discount|enterprise plan|minimum quantity|availability for|best price)\b(?=.*\b(?:for|send|share|us|we|our|you|pls|please|want|need|i|account)\b)(?<!the quote)",
        r"\b(?:pls|please|could you|can you) (?:send|share)\b.{0,25}\b(?:quote|rate|price|pricing|proposal|offer|catalogue|brochure)",
        r"\b(?:interested in (?:purchasing|buying|your (?:product|service|software)|working|partnering)|want(?:s|ed)? (?:to (?:buy|stock|order|hire|invest|sponsor|try it|switch provider|see your|carry)|us to|samples)|like to (?:buy|order|hire|book|stock|sponsor|invest|talk to your|see your|commission)|willing to pay|happily pay|pay for (?:a|early|this)|keen to invest|looking to (?:commission|buy|hire|invest|partner))\b",
        r"\b(?:what|how much) (?:do|would|will|does) (?:you|it|a|that) (?:\w+ ){0,4}?(?:charge|cost|take for|be per)\b(?! your phone)|\bwhat would you charge\b|\bper head\b|\bdo you (?:sell|ship|cater|take (?:apprentices|orders|commissions)|offer|do (?:tax|weddings|commissions))\b",
        r"\b(?:introduce (?:me|you|us) to (?:your|our|the) (?:head|boss|ceo|sales|buyer|investor|team lead|purchasing)|get you a meeting|wants? to (?:meet|see) (?:you|us)|has a lead|investor (?:i met|wants|would)|would like to (?:hire|see)|considering your|evaluating (?:three|several|your)|set up a call)\b",
        r"\b(?:grant|fund(?:ing)?|scholarship|call for papers|accelerator|tender|applications? (?:is|are|for|open)|re-let|we should bid|apply (?:till|until|by|before)|opened applications|spot free|internal applications)\b(?=.*\b(?:open|opens|opened|closing|up to|covers|bid|till|until|by|may|first|go for|spring)\b)",
        r"\b(?:hiring|is hiring|are hiring|searching for (?:a|an|somebody|someone)|looking for (?:a|an|someone|somebody) (?:\w+ )?(?:to|who|tutor|developer|nurse|drummer|bookkeeper|freelancer|dealer|supplier)|needs? (?:a|an) (?:\w+ )?(?:bookkeeper|tutor|designer|developer|drummer|consultant|plumber)|partner wanted|paid (?:gig|obviously)|paying of course|pays well|comes free)\b",
        r"\b(?:competitor|rival|startup that beat us|their (?:main|biggest|clients|customers|users))\b.{0,80}\b(?:down|quit|laid off|furious|won't renew|leaving|closing|unhappy|no update|doubled)\b|\bgood moment to\b|\bknock on that door\b|\bnobody offers\b|\bbegging for\b|\bour budget\b.*\boffer\b|\bbudget left\b",
        r"\bcan we book\b|\bwe(?:'d| would) (?:like|love|be keen|need about|be willing) to?\b.{0,40}\b(?:your|for our|sponsor|stock|invest)|\bfor my team\b|\bwith the whole team\b|\bwe'?re \d+ people\b|\bglad to be your dealer\b|\bif we (?:could|can) (?:give|deliver)|\bgive them a demo\b|\byou should go for it\b|\bwould you be up for\b|\bhave a project for you\b|\bwants us to do\b",
    ),
    no=(
        r"\b(?:not interested|lost interest|turned down|fell through|too late|closed yesterday|sale ended|was cut|gone with somebody|before the crash|tried to sell|i demand|refund|complaint|my cat|fat chance|big deal|deal with|deal window|on stage|referee|for the pizza|half price|supermarket|the concert|cancelled my)\b",
        r"\b(?:thanks for the quote from|price check on|price of freedom|launch the app|interested parties|great deal (?:of|colder)|seat to|tea and|lead singer|in the demo the|promise here|commute|looking for my|needle)\b",
    ),
)
TONE = Tone(
    good="""love loved lovely loving like liked great good nice awesome amazing wonderful excellent fantastic perfect brilliant beautiful gorgeous superb happy glad proud thrilled delighted
    excited hopeful joy joyful pleasure enjoyed enjoy enjoying fun funny hilarious best better thank thanks thankful grateful congrats congratulations well-done yay yes! yesss yess hallelujah hooray finally
    impressed impressive thoughtful sweet cute cutest adorable kind kindness smile smiled laughed laughing blast chuffed stunning divine delicious tasty yummy genius mind-blowing first-class smooth
    relieved relief win won winning success successful crushed nailed champion goosebumps welcome blessed bliss fab fabulous legend hero magical outstanding splendid cracking recommend clean clearly
    worth proud fault stoked pumped wicked sick filthy insane unreal fire epic ace charming cosy cozy peaceful wow woohoo hugs hug cheers appreciate appreciated helpful supportive generous talented
    comfortable favourite favorite gold gem treat cant-wait can't-wait over-the-moon personal-best moon clicked speechless stupidly happiest pleased joyous""",
    bad="""hate hated awful terrible horrible bad worse worst sad angry annoyed annoying furious disgusting useless rubbish pathetic stupid dumb ugly boring bored sick-of fed-up tired exhausted lonely alone
    scared afraid fear worried worry anxious nervous pain painful unbearable hurt hurts broken heartbroken disappointed disappointing disappointment dissatisfied unhappy miserable depressed unfair unacceptable
    disrespectful rude unprofessional inconsiderate frustrated frustrating frustration complain complaint waste ruined ruin humiliating humiliated embarrassing embarrassed ashamed shame fail failed failure lost
    cry crying cried died dead death cancer grief stress stressed hopeless pointless disaster nightmare mess crap shit damn-it fuck fucking sucks sucked ugh urgh argh problem problems trouble awful slower
    excuses lie lied liar lies cheated betrayed ignored left-out uncalled worthless regret sorry unfortunately sadly sacked fired cold terrible dreadful gross nasty toxic hell evil cruel never-again
    unreliable impossible nothing-works wish-i'd pissed mad resent dread dreading gutted devastated worried missed wasted mondays lousy shabby""",
    negations="not no never n't isn't wasn't don't doesn't didn't can't cannot won't hardly nothing without couldn't wouldn't aren't ain't nor barely",
    phrases={
        "not bad": 2, "can't wait": 2, "cant wait": 2, "can't fault": 3, "can't stop": 1, "not even mad": 3, "nothing beats": 3, "can't thank": 3, "no one explains": 2, "over the moon": 3, "missed you": 2,
        "worth her weight": 3, "worth his weight": 3, "thanks for nothing": -5, "anything but": -3, "with all due respect": -3, "not okay": -3, "not ok": -3, "can't stand": -4, "couldn't have cared": -3, "no one gives": -4,
        "what a waste": -3, "just great": -3, "not exactly": -3, "not impressed": -3, "wasn't impressed": -4, "too much": -2, "i wish i'd never": -4, "did not enjoy": -4, "only an hour late": -5, "first try": 2,
        "in tears here": 3, "left out": -3, "fed up": -4, "never listen": -4, "can't believe they": -3, "best. day. ever": 4, "said yes": 3, "got the flat": 3, "one gives a damn": -4, "kill the": 0, "error code": 0,
    },
)  # fmt: skip
ENGLISH = Language(
    code="en",
    name="English",
    stop="the and to of a in is it you that for on with i my be this have are not we but can do as at",
    share=0.12,
    common="""that this with have from they what when will would could should about there their your just been were then than them some into also only like make
    know need want more very back here  over still after before because which please thanks today tomorrow week monday tuesday wednesday thursday
    friday saturday sunday going gonna let's i'll we'll really think good time people thing things  something anything everything someone anyone much
    many most other another same even well right okay sure maybe never always again does doing done didn't don't can't it's that's i'm you're we're
    they're  yeah haha nice great said says tell told come came went take took give gave look looks looking sorry first last next year years month
    months days hours minutes where while those these such""",
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
