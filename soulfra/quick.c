/* What is done for every message of a chat, compiled: its text is cleaned, its words are read, it is told which private things
 * may be in it, and WhatsApp's lines are told apart. What that means is said in chat/message.py, words/language.py, private.py
 * and chat/whatsapp.py, which do the same where this could not be compiled.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <datetime.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

static PyObject *role_name, *visible_name, *text_name, *person_name, *whatsapp_name, *empty_name;

/* -- cleaning ------------------------------------------------------------------------------------------------------ */

static char control[256], telling[256]; /* characters that are left out; by which private things are noticed */

static int is_control(Py_UCS4 c) {
    if (c < 0x20) return c != '\t' && c != '\n' && c != '\r';
    if (c < 0x200e) return c == 0x7f;
    return c <= 0x200f || (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || (c >= 0xd800 && c <= 0xdfff);
}

static PyObject *stripped(PyObject *text) {
    Py_ssize_t n = PyUnicode_GET_LENGTH(text);
    if (n == 0 || (!Py_UNICODE_ISSPACE(PyUnicode_READ_CHAR(text, 0)) && !Py_UNICODE_ISSPACE(PyUnicode_READ_CHAR(text, n - 1))))
        return Py_NewRef(text);
    return PyObject_CallMethod(text, "strip", NULL);
}

static PyObject *clean(PyObject *module, PyObject *text) {
    if (!PyUnicode_Check(text)) return PyErr_Format(PyExc_TypeError, "a text is needed");
    int kind = PyUnicode_KIND(text);
    const void *data = PyUnicode_DATA(text);
    Py_ssize_t n = PyUnicode_GET_LENGTH(text), at = 0;
    if (kind == PyUnicode_1BYTE_KIND)
        while (at < n && !control[((const Py_UCS1 *)data)[at]]) at++;
    else
        while (at < n && !is_control(PyUnicode_READ(kind, data, at))) at++;
    if (at == n) return stripped(text);
    Py_UCS4 *kept = PyMem_Malloc(n * sizeof(Py_UCS4));
    if (kept == NULL) return PyErr_NoMemory();
    Py_ssize_t m = 0;
    for (Py_ssize_t i = 0; i < n; i++) {
        Py_UCS4 c = PyUnicode_READ(kind, data, i);
        if (!is_control(c)) kept[m++] = c;
    }
    PyObject *made = PyUnicode_FromKindAndData(PyUnicode_4BYTE_KIND, kept, m);
    PyMem_Free(kept);
    if (made == NULL) return NULL;
    PyObject *result = stripped(made);
    Py_DECREF(made);
    return result;
}

/* -- private things ------------------------------------------------------------------------------------------------ */

enum { MAIL = 1, SECRET = 2, PRIVATE = 4, TOKEN = 8, BANK = 16, CARD = 32, PHONE = 64 };
#define DIGITS 13 /* of a card, at least */

static int is_digit(Py_UCS4 c) { return c >= '0' && c <= '9'; }
static int is_upper(Py_UCS4 c) { return c >= 'A' && c <= 'Z'; }

static int goes_on(int kind, const void *data, Py_ssize_t n, Py_ssize_t at, const char *with) {
    for (; *with; with++, at++)
        if (at >= n || PyUnicode_READ(kind, data, at) != (Py_UCS4)*with) return 0;
    return 1;
}

static int hints_of(PyObject *text) {
    int kind = PyUnicode_KIND(text), may = 0, run = 0;
    const void *data = PyUnicode_DATA(text);
    Py_ssize_t n = PyUnicode_GET_LENGTH(text), last = -9; /* place of the last digit of a run */
#define AT(i) ((i) < n ? PyUnicode_READ(kind, data, (i)) : 0)
#define FOLLOWS(words) goes_on(kind, data, n, i, words)
#define ENDS(words) (i + 2 > (Py_ssize_t)sizeof(words) && goes_on(kind, data, n, i + 2 - sizeof(words), words))
    for (Py_ssize_t i = 0; i < n; i++) {
        if (kind == PyUnicode_1BYTE_KIND)
            while (i < n && !telling[((const Py_UCS1 *)data)[i]]) i++;
        Py_UCS4 c = AT(i);
        if (c >= 256 || !telling[c]) continue;
        if (is_digit(c)) {
            int goes = last == i - 1 || (last == i - 2 && (AT(i - 1) == ' ' || AT(i - 1) == '-'));
            run = goes ? run + 1 : 1;
            last = i;
            if (run >= DIGITS) may |= CARD;
            if (i > 2 && is_digit(AT(i - 1)) && is_upper(AT(i - 2)) && is_upper(AT(i - 3))) may |= BANK;
        } else if (c == '@')
            may |= MAIL;
        else if (c == '+' && is_digit(AT(i + 1)))
            may |= PHONE;
        else if ((c == '-' && (ENDS("sk-") || ENDS("glpat-"))) || (c == '_' && i > 2 && AT(i - 3) == 'g' && AT(i - 2) == 'h') ||
                 (c == 'x' && ENDS("xox")) || (c == 'A' && (FOLLOWS("AKIA") || FOLLOWS("AIza"))))
            may |= SECRET;
        else if (c == 'J' && ENDS("eyJ"))
            may |= TOKEN;
        else if (c == '-' && FOLLOWS("-----BEGIN"))
            may |= PRIVATE;
    }
    return may;
}

static PyObject *hints(PyObject *module, PyObject *text) {
    if (!PyUnicode_Check(text)) return PyErr_Format(PyExc_TypeError, "a text is needed");
    return PyLong_FromLong(hints_of(text));
}

/* suspects([(message, ...), ...]) -> [message, ...] */
static PyObject *suspects(PyObject *module, PyObject *heard) {
    if (!PyList_Check(heard)) return PyErr_Format(PyExc_TypeError, "a list is needed");
    PyObject *found = PyList_New(0);
    for (Py_ssize_t i = 0; found != NULL && i < PyList_GET_SIZE(heard); i++) {
        PyObject *message = PyTuple_GetItem(PyList_GET_ITEM(heard, i), 0);
        PyObject *text = message ? PyObject_GetAttr(message, text_name) : NULL;
        if (text == NULL || !PyUnicode_Check(text) || (hints_of(text) && PyList_Append(found, message) < 0)) Py_CLEAR(found);
        Py_XDECREF(text);
    }
    return found || PyErr_Occurred() ? found : PyErr_Format(PyExc_TypeError, "messages are needed");
}

/* -- words --------------------------------------------------------------------------------------------------------- */

#define ROW 64    /* words of a line that are looked at, at most */
#define FEATURES (4 * ROW + 1)
#define ONCE (1LL << 32) /* added with each weight: a sum holds how many there are too */
#define CUES 32   /* cues of a language, at most */
#define BITS (1 << 19) /* of the filter: 64 KiB */
#define SILENT 4096 /* more than twice the words that say nothing */
#define KEPT 65536 /* words that are kept as they are, so that they need not be made again */

typedef uint64_t Hash;

typedef struct {
    int16_t cue, weight;
} Pair;

typedef struct {
    Hash key;           /* 0: nothing is here */
    uint32_t first : 24; /* of its pairs */
    uint32_t n : 8;
    uint32_t line;      /* in which it was last seen */
} Feature; /* small: what is looked for lies all over the table */

typedef struct {
    PyObject_HEAD
    Feature *features; /* by open addressing */
    uint64_t *seen;    /* a bit for the keys of features: most that is looked for is not there, and this stays in the cache */
    Pair *pairs;
    Hash silent[SILENT]; /* words that say nothing of what a line is about, by open addressing */
    Hash *kept;
    PyObject **words; /* the kept ones */
    PyObject *names, *nothing, *plain;
    double floors[CUES];
    Py_ssize_t mask;
    int cues, longest, stem, letters;
    uint32_t line;
    Py_UCS4 *folded;
    Py_ssize_t room;
} Words;

static Hash mixed(Hash a, Hash b) {
    Hash h = (a ^ (b + 0x9e3779b97f4a7c15ULL + (a << 6) + (a >> 2))) * 0xff51afd7ed558ccdULL;
    h ^= h >> 32;
    return h ? h : 1;
}

#define EMPTY 0xcbf29ce484222325ULL /* FNV-1a */

static Hash spelled(Hash h, Py_UCS4 c) { return (h ^ c) * 0x100000001b3ULL; }

static Hash hash_of(const Py_UCS4 *text, Py_ssize_t n) {
    Hash h = EMPTY;
    for (Py_ssize_t i = 0; i < n; i++) h = spelled(h, text[i]);
    return mixed(h, n);
}

/* Of "word", "begi*", "two words" or "three of them": that of the words, one mixed with the next. */
static Hash hash_of_feature(const Py_UCS4 *text, Py_ssize_t n) {
    Hash h = 0;
    for (Py_ssize_t from = 0, at = 0; at <= n; at++)
        if (at == n || text[at] == ' ') {
            Hash one = hash_of(text + from, at - from);
            h = from ? mixed(h, one) : one;
            from = at + 1;
        }
    return h;
}

static Py_ssize_t place_of(Words *self, Hash key) {
    Py_ssize_t at = key & self->mask;
    while (self->features[at].key != 0 && self->features[at].key != key) at = (at + 1) & self->mask;
    return at;
}

/* Where a word that says nothing is, or would be. */
static Hash *silence_of(Words *self, Hash key) {
    Hash at = key & (SILENT - 1);
    while (self->silent[at] != 0 && self->silent[at] != key) at = (at + 1) & (SILENT - 1);
    return &self->silent[at];
}

static uint64_t bit_of(Hash key) { return 1ULL << (key >> 58); }
static Py_ssize_t bits_of(Hash key) { return (key >> 37) & (BITS / 64 - 1); }

/* Words(weights: {feature: [(cue, weight), ...]}, names: (str, ...), floors: [float, ...], silent: [str, ...], nothing: dict,
 *       plain: str -> str, longest: int, stem: int, letters: int) */
static int words_init(Words *self, PyObject *args, PyObject *kwargs) {
    PyObject *weights, *names, *floors, *silent, *nothing, *plain, *key, *value;
    if (!PyArg_ParseTuple(args, "O!O!O!O!OOiii", &PyDict_Type, &weights, &PyTuple_Type, &names, &PyList_Type, &floors, &PyList_Type,
                          &silent, &nothing, &plain, &self->longest, &self->stem, &self->letters))
        return -1;
    Py_ssize_t cues = PyTuple_GET_SIZE(names), pairs = 0, room = 16, at = 0;
    while (PyDict_Next(weights, &at, &key, &value)) pairs += PyList_Check(value) ? PyList_GET_SIZE(value) : 0;
    if (self->features != NULL || cues > CUES || cues != PyList_GET_SIZE(floors) || self->longest > ROW - 2 || pairs >= 1 << 24 ||
        PyList_GET_SIZE(silent) > SILENT / 2) {
        PyErr_SetString(PyExc_ValueError, "too many cues, weights or words, or a second time");
        return -1;
    }
    self->cues = (int)cues;
    self->names = Py_NewRef(names);
    self->nothing = Py_NewRef(nothing);
    self->plain = Py_NewRef(plain);
    for (Py_ssize_t i = 0; i < cues; i++) self->floors[i] = PyFloat_AsDouble(PyList_GET_ITEM(floors, i));
    while (room < 2 * PyDict_GET_SIZE(weights)) room *= 2;
    self->mask = room - 1;
    self->features = PyMem_Calloc(room, sizeof(Feature));
    self->seen = PyMem_Calloc(BITS / 64, sizeof(uint64_t));
    self->pairs = PyMem_Calloc(pairs + 1, sizeof(Pair));
    self->kept = PyMem_Calloc(KEPT, sizeof(Hash));
    self->words = PyMem_Calloc(KEPT, sizeof(PyObject *));
    if (!self->features || !self->seen || !self->pairs || !self->kept || !self->words) {
        PyErr_NoMemory();
        return -1;
    }
    at = pairs = 0;
    while (PyDict_Next(weights, &at, &key, &value)) {
        Py_UCS4 *text = PyUnicode_AsUCS4Copy(key);
        if (text == NULL) return -1;
        Hash hash = hash_of_feature(text, PyUnicode_GET_LENGTH(key));
        PyMem_Free(text);
        Py_ssize_t n = PyList_Check(value) ? PyList_GET_SIZE(value) : 0;
        self->features[place_of(self, hash)] = (Feature){hash, (uint32_t)pairs, (uint32_t)n, 0};
        self->seen[bits_of(hash)] |= bit_of(hash);
        for (Py_ssize_t i = 0; i < n; i++) {
            Pair *pair = &self->pairs[pairs++];
            if (!PyArg_ParseTuple(PyList_GET_ITEM(value, i), "hh", &pair->cue, &pair->weight)) return -1;
            if (pair->cue < 0 || pair->cue >= cues) {
                PyErr_SetString(PyExc_ValueError, "no such cue");
                return -1;
            }
        }
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(silent); i++) {
        Py_UCS4 *text = PyUnicode_AsUCS4Copy(PyList_GET_ITEM(silent, i));
        if (text == NULL) return -1;
        Hash hash = hash_of(text, PyUnicode_GET_LENGTH(PyList_GET_ITEM(silent, i)));
        *silence_of(self, hash) = hash;
        PyMem_Free(text);
    }
    return PyErr_Occurred() ? -1 : 0;
}

static void words_dealloc(Words *self) {
    if (self->words != NULL)
        for (int i = 0; i < KEPT; i++) Py_XDECREF(self->words[i]);
    PyMem_Free(self->features);
    PyMem_Free(self->seen);
    PyMem_Free(self->pairs);
    PyMem_Free(self->kept);
    PyMem_Free(self->words);
    PyMem_Free(self->folded);
    Py_XDECREF(self->names);
    Py_XDECREF(self->nothing);
    Py_XDECREF(self->plain);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

/* The plain form of a small letter: the letters that stand for it, the second 0 where it is one. */
static Py_UCS4 plain_of(Py_UCS4 c, Py_UCS4 *second) {
    *second = 0;
    switch (c) {
        case 0xe4: *second = 'e'; return 'a';
        case 0xf6: *second = 'e'; return 'o';
        case 0xfc: *second = 'e'; return 'u';
        case 0xdf: *second = 's'; return 's';
        case 0x153: *second = 'e'; return 'o';
        case 0xe0: case 0xe1: case 0xe2: case 0xe3: case 0xe5: return 'a';
        case 0xe8: case 0xe9: case 0xea: case 0xeb: return 'e';
        case 0xec: case 0xed: case 0xee: case 0xef: return 'i';
        case 0xf2: case 0xf3: case 0xf4: case 0xf5: return 'o';
        case 0xf9: case 0xfa: case 0xfb: return 'u';
        case 0xe7: return 'c';
        case 0xf1: return 'n';
        case 0xfd: case 0xff: return 'y';
        case 0x2019: case '`': return '\'';
    }
    return c;
}

static char inside[128]; /* a word: letters, digits, and what joins them */

static int is_word(Py_UCS4 c) { return c < 128 ? inside[c] && c != '\'' && c != '-' : Py_UNICODE_ISALNUM(c); }
static int is_inside(Py_UCS4 c) { return c < 128 ? inside[c] : Py_UNICODE_ISALNUM(c); }

static int begins_word(Py_UCS4 c) {
    if (c < 128) return (c >= 'a' && c <= 'z') || is_upper(c);
    return Py_UNICODE_ISALNUM(c) && !Py_UNICODE_ISDECIMAL(c);
}

static int are_digits(const Py_UCS4 *text, Py_ssize_t n) {
    while (n && (*text < 128 ? is_digit(*text) : Py_UNICODE_ISDIGIT(*text))) text++, n--;
    return n == 0;
}

static int is_decimal(Py_UCS4 c) { return c < 128 ? is_digit(c) : Py_UNICODE_ISDECIMAL(c); }
static int is_mark(Py_UCS4 c) { return c == '?' || c == '!' || c == 0xbf || c == 0xa1; }
static int is_picture(Py_UCS4 c) { return (c >= 0x2600 && c <= 0x27bf) || (c >= 0x1f300 && c <= 0x1faff); }
static int is_shut(Py_UCS4 c) { return c == 0x201d || c == 0x201c || c == 0xab || c == 0xbb; }
static int is_opened(Py_UCS4 c) { return c == 0x201c || c == 0x201e || c == 0xab || c == 0xbb; }

/* Where a quotation that begins here ends, or `at` when none does. */
static Py_ssize_t quotation(const Py_UCS4 *text, Py_ssize_t n, Py_ssize_t at) {
    Py_UCS4 c = text[at];
    int shortest = 2, straight = c == '"' || c == '\'';
    if (c == '\'') {
        shortest = 3;
        if (at > 0 && is_word(text[at - 1])) return at;
    }
    Py_ssize_t end = at + 1;
    while (end < n && end - at <= 81 && text[end] != '\n' && !(straight ? text[end] == c : is_shut(text[end]))) end++;
    Py_ssize_t held = end - at - 1;
    if (end >= n || held < shortest || held > 80 || text[end] == '\n') return at;
    if (c == '\'' && end + 1 < n && is_word(text[end + 1])) return at;
    return end + 1;
}

/* Whether code or an address may be in a text. */
static int has_code(PyObject *text) {
    int kind = PyUnicode_KIND(text);
    const void *data = PyUnicode_DATA(text);
    Py_ssize_t n = PyUnicode_GET_LENGTH(text);
    if (kind == PyUnicode_1BYTE_KIND && !memchr(data, '`', n) && !memchr(data, ':', n)) return 0;
    for (Py_ssize_t i = 0; i < n; i++) {
        Py_UCS4 c = PyUnicode_READ(kind, data, i);
        if (c == '`' || (c == ':' && goes_on(kind, data, n, i, "://"))) return 1;
    }
    return 0;
}

/* Lower case, umlauts and accents written out, quotations left out. The number of characters, or -1. */
static Py_ssize_t fold(Words *self, PyObject *text) {
    PyObject *lower = PyUnicode_IS_ASCII(text) ? Py_NewRef(text) : PyObject_CallMethod(text, "lower", NULL);
    if (lower == NULL) return -1;
    int kind = PyUnicode_KIND(lower), quotes = 0;
    const void *data = PyUnicode_DATA(lower);
    Py_ssize_t n = PyUnicode_GET_LENGTH(lower), m = 0;
    if (self->room < 2 * n + 1) {
        Py_UCS4 *more = PyMem_Realloc(self->folded, (2 * n + 1) * sizeof(Py_UCS4));
        if (more == NULL) {
            Py_DECREF(lower);
            PyErr_NoMemory();
            return -1;
        }
        self->folded = more;
        self->room = 2 * n + 1;
    }
    Py_UCS4 *to = self->folded, second;
    for (Py_ssize_t i = 0; i < n; i++) {
        Py_UCS4 c = PyUnicode_READ(kind, data, i);
        if (is_upper(c))
            c += 'a' - 'A';
        else if (c == '`' || c >= 0xdf) {
            c = plain_of(c, &second);
            if (second) {
                to[m++] = c;
                c = second;
            }
        }
        quotes |= c == '"' || c == '\'' || is_opened(c);
        to[m++] = c;
    }
    Py_DECREF(lower);
    if (!quotes) return m;
    Py_ssize_t kept = 0; /* what replaces a quotation is shorter than it: dots, which are no word */
    for (Py_ssize_t i = 0; i < m;) {
        Py_UCS4 c = to[i];
        Py_ssize_t end = c == '"' || c == '\'' || is_opened(c) ? quotation(to, m, i) : i;
        if (end > i) {
            to[kept++] = 0x2026;
            i = end;
        } else
            to[kept++] = to[i++];
    }
    return kept;
}

/* Adds up the weights of the features of a line, and how many they are. What it looks for is fetched before it is needed. */
static void count(Words *self, Hash *keys, int n, int64_t *sums) {
    Feature *found[FEATURES];
    int likely = 0, known = 0;
    for (int i = 0; i < n; i++)
        if (self->seen[bits_of(keys[i])] & bit_of(keys[i])) {
            __builtin_prefetch(&self->features[keys[i] & self->mask]);
            keys[likely++] = keys[i];
        }
    for (int i = 0; i < likely; i++) {
        Feature *feature = &self->features[place_of(self, keys[i])];
        if (feature->key == 0 || feature->line == self->line) continue; /* unknown, or a second time */
        feature->line = self->line;
        __builtin_prefetch(self->pairs + feature->first);
        found[known++] = feature;
    }
    for (int i = 0; i < known; i++) {
        Feature *feature = found[i];
        for (Pair *pair = self->pairs + feature->first, *end = pair + feature->n; pair < end; pair++) {
            sums[pair->cue] += ONCE + pair->weight;
        }
    }
}

static PyObject *word_of(Words *self, Hash hash, const Py_UCS4 *text, Py_ssize_t n) {
    Py_ssize_t at = hash & (KEPT - 1);
    if (self->kept[at] != hash) {
        PyObject *made = PyUnicode_FromKindAndData(PyUnicode_4BYTE_KIND, text, n);
        if (made == NULL) return NULL;
        Py_XSETREF(self->words[at], made);
        self->kept[at] = hash;
    }
    return Py_NewRef(self->words[at]);
}

static Hash hash_of_ascii(const char *text) {
    Py_UCS4 wide[16];
    Py_ssize_t n = 0;
    for (; text[n]; n++) wide[n] = text[n];
    return hash_of(wide, n);
}

/* read(text) -> ({cue: how far it is above its threshold}, (words that tell what the line is about, ...)) */
static PyObject *words_read(Words *self, PyObject *text) {
    if (!PyUnicode_Check(text) || self->features == NULL) return PyErr_Format(PyExc_TypeError, "a text is needed");
    PyObject *plain = has_code(text) ? PyObject_CallOneArg(self->plain, text) : Py_NewRef(text);
    if (plain == NULL) return NULL;
    if (!PyUnicode_Check(plain)) {
        Py_DECREF(plain);
        return PyErr_Format(PyExc_TypeError, "a text is needed");
    }
    Py_ssize_t n = fold(self, plain), about = 0;
    Py_DECREF(plain);
    if (n < 0) return NULL;
    const Py_UCS4 *from = self->folded;
    Hash row[ROW], told[ROW], keys[FEATURES];
    PyObject *terms[ROW];
    int64_t sums[CUES] = {0};
    int words = 1, features = 0;
    if (++self->line == 0) {
        for (Py_ssize_t i = 0; i <= self->mask; i++) self->features[i].line = 0;
        self->line = 1;
    }
    row[0] = hash_of_ascii("^");
    for (Py_ssize_t at = 0; at < n && words <= self->longest;) {
        Py_UCS4 c = from[at];
        Py_ssize_t begin = at++;
        if (begins_word(c)) {
            Hash hash = spelled(EMPTY, c), stem = 0;
            for (; at < n && is_inside(from[at]); at++) {
                if (at - begin == self->stem) stem = hash;
                hash = spelled(hash, from[at]);
            }
            Py_ssize_t length = at - begin;
            if (c >= 128 && are_digits(from + begin, length)) {
                row[words++] = hash_of_ascii("#");
                continue;
            }
            hash = row[words++] = mixed(hash, length);
            if (length > self->stem + 1) keys[features++] = mixed(spelled(stem, '*'), self->stem + 1);
            if (length >= self->letters && *silence_of(self, hash) == 0) {
                Py_ssize_t same = 0;
                while (same < about && told[same] != hash) same++;
                if (same == about) {
                    PyObject *term = word_of(self, hash, from + begin, length);
                    if (term == NULL) goto failed;
                    told[about] = hash;
                    terms[about++] = term;
                }
            }
        } else if (is_decimal(c)) {
            while (at < n && is_decimal(from[at])) at++;
            row[words++] = hash_of_ascii("#");
        } else if (is_mark(c)) {
            while (at < n && is_mark(from[at])) at++;
            row[words++] = hash_of(from + begin, at - begin);
        } else if (is_picture(c))
            row[words++] = hash_of(from + begin, 1);
    }
    int spoken = words - 1;
    row[words++] = hash_of_ascii("$");
    keys[features++] = hash_of_ascii(spoken < 5 ? "(few)" : spoken < 10 ? "(some)" : spoken < 20 ? "(more)" : "(many)");
    for (int i = 0; i < words; i++) {
        keys[features++] = row[i];
        if (i + 1 < words) {
            Hash two = keys[features++] = mixed(row[i], row[i + 1]);
            if (i + 2 < words) keys[features++] = mixed(two, row[i + 2]);
        }
    }
    count(self, keys, features, sums);
    PyObject *said = NULL, *subjects = PyTuple_New(about);
    if (subjects == NULL) goto failed;
    for (Py_ssize_t i = 0; i < about; i++) PyTuple_SET_ITEM(subjects, i, terms[i]);
    for (int i = 0; i < self->cues; i++) {
        int64_t times = (sums[i] + ONCE / 2) / ONCE, total = sums[i] - times * ONCE;
        double score = times ? (double)total / sqrt((double)times) / 1000.0 : 0.0;
        double above = score - self->floors[i];
        if (above <= 0) continue;
        PyObject *number = PyFloat_FromDouble(above);
        if (said == NULL) said = PyDict_New();
        if (number == NULL || said == NULL || PyDict_SetItem(said, PyTuple_GET_ITEM(self->names, i), number) < 0) {
            Py_XDECREF(number);
            Py_XDECREF(said);
            Py_DECREF(subjects);
            return NULL;
        }
        Py_DECREF(number);
    }
    if (said == NULL) said = Py_NewRef(self->nothing);
    PyObject *both = PyTuple_Pack(2, said, subjects);
    Py_DECREF(said);
    Py_DECREF(subjects);
    return both;
failed:
    for (Py_ssize_t i = 0; i < about; i++) Py_DECREF(terms[i]);
    return NULL;
}

static int is_person(PyObject *message) {
    PyObject *role = PyObject_GetAttr(message, role_name);
    if (role == NULL) return -1;
    int is = role == person_name || (PyUnicode_Check(role) && PyUnicode_Compare(role, person_name) == 0);
    Py_DECREF(role);
    return is;
}

static int is_visible(PyObject *message) {
    PyObject *visible = PyObject_GetAttr(message, visible_name);
    if (visible == NULL) return -1;
    int is = PyObject_IsTrue(visible);
    Py_DECREF(visible);
    return is;
}

/* hear(messages, long, language, all, seen, people, telling) -> how many remarks there are; adds to the lists of a portion */
static PyObject *words_hear(Words *self, PyObject *args) {
    PyObject *messages, *language, *all, *seen, *people, *telling, *none = NULL;
    Py_ssize_t longest, remarks = 0;
    if (!PyArg_ParseTuple(args, "O!nOO!O!O!O!", &PyList_Type, &messages, &longest, &language, &PyList_Type, &all, &PyList_Type, &seen,
                          &PyList_Type, &people, &PyList_Type, &telling))
        return NULL;
    if ((none = PyTuple_New(0)) == NULL) return NULL;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(messages); i++) {
        PyObject *message = PyList_GET_ITEM(messages, i), *read = NULL;
        int person = is_person(message), visible = is_visible(message), says = 0;
        if (person < 0 || visible < 0) goto failed;
        if (person && visible) {
            PyObject *text = PyObject_GetAttr(message, text_name);
            if (text == NULL) goto failed;
            if (PyUnicode_Check(text) && PyUnicode_GET_LENGTH(text) < longest) {
                read = words_read(self, text);
                remarks++;
                says = read != NULL && PyTuple_GET_ITEM(read, 0) != self->nothing;
            }
            Py_DECREF(text);
            if (PyErr_Occurred()) goto failed;
        }
        PyObject *heard = PyTuple_Pack(4, message, read ? PyTuple_GET_ITEM(read, 0) : self->nothing, read ? PyTuple_GET_ITEM(read, 1) : none, language);
        Py_XDECREF(read);
        if (heard == NULL) goto failed;
        int wrong = PyList_Append(all, heard) < 0 || (visible && PyList_Append(seen, heard) < 0) ||
                    (visible && person && PyList_Append(people, heard) < 0) || (says && PyList_Append(telling, heard) < 0);
        Py_DECREF(heard);
        if (wrong) goto failed;
    }
    Py_DECREF(none);
    return PyLong_FromSsize_t(remarks);
failed:
    Py_DECREF(none);
    return NULL;
}

static PyMethodDef words_methods[] = {
    {"hear", (PyCFunction)words_hear, METH_VARARGS, "Reads messages, as `Hearing._read`."},
    {"read", (PyCFunction)words_read, METH_O, "What a line says and is about, as `Language.read`."},
    {NULL}};

static PyTypeObject WordsType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "soulfra._quick.Words",
    .tp_basicsize = sizeof(Words),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = PyType_GenericNew,
    .tp_init = (initproc)words_init,
    .tp_dealloc = (destructor)words_dealloc,
    .tp_methods = words_methods,
};

/* -- where words came last ----------------------------------------------------------------------------------------- */

/* note(places, words, place): places[word] = place, for each word */
static PyObject *note(PyObject *module, PyObject *const *args, Py_ssize_t n) {
    if (n != 3 || !PyDict_Check(args[0]) || !PyTuple_Check(args[1])) return PyErr_Format(PyExc_TypeError, "a dict, a tuple and a thing are needed");
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(args[1]); i++)
        if (PyDict_SetItem(args[0], PyTuple_GET_ITEM(args[1], i), args[2]) < 0) return NULL;
    Py_RETURN_NONE;
}

/* -- WhatsApp's lines ---------------------------------------------------------------------------------------------- */

#define MOST_OF_NAME 300 /* bytes */
#define YEARS 3          /* that a line may jump ahead without being looked at closer */

static const char MARK[] = "\xe2\x80\x8e", NARROW[] = "\xe2\x80\xaf"; /* U+200E, U+202F */

typedef struct {
    int year, month, day, hour, minute, second;
    const char *name, *text; /* where they begin */
    Py_ssize_t named;        /* bytes of the name */
} Head;

typedef struct {
    char order;              /* of a date: 'd'ay, 'm'onth or 'y'ear is first */
    int bracketed, halves;   /* [date, time] Name: text; with AM and PM */
    const char *lengths;     /* 1 for each number of characters that a text in the place of a deleted one may have */
    Py_ssize_t longest;      /* such number */
    PyObject *names, *type, *message;
} Kind;

static int is_at(const char *at, const char *end, const char *what) {
    size_t n = strlen(what);
    return (size_t)(end - at) >= n && memcmp(at, what, n) == 0;
}

/* A number of so many digits; where it ends, or NULL. */
static const char *number(const char *at, const char *end, int least, int most, int *value) {
    int n = 0;
    for (*value = 0; at < end && is_digit((unsigned char)*at) && n <= most; n++) *value = *value * 10 + (*at++ - '0');
    return n < least || n > most ? NULL : at;
}

static int may_begin(const char *at) { return (*at & 0x80) || *at == '[' || is_digit(*at); }

/* other_line(pages, at, beginning) -> where the next line is that may begin a message, and begins otherwise; 0 where none is */
static PyObject *other_line(PyObject *module, PyObject *args) {
    Py_buffer pages, beginning;
    Py_ssize_t at;
    if (!PyArg_ParseTuple(args, "y*ny*", &pages, &at, &beginning)) return NULL;
    const char *data = pages.buf, *beyond = data + pages.len, *line = at < 0 || at > pages.len ? NULL : data + at;
    while (line != NULL && (line = memchr(line, '\n', beyond - line)) != NULL) {
        if (++line == beyond) line = NULL;
        else if (may_begin(line) && (beyond - line < beginning.len || memcmp(line, beginning.buf, beginning.len))) break;
    }
    PyObject *result = PyLong_FromSsize_t(line ? line - data : 0);
    PyBuffer_Release(&pages);
    PyBuffer_Release(&beginning);
    return result;
}

/* 1: a line begins a message, as most do; 0: it surely begins none; -1: that has to be looked at closer, in Python. */
static int head_at(const char *at, const char *end, const Kind *kind, Head *head) {
    if (is_at(at, end, MARK)) at += 3;
    if (at == end || !may_begin(at)) return 0;
    if ((*at == '[') != kind->bracketed) return -1;
    if (kind->bracketed) at++;
    int a, b, c;
    const char *from = at;
    if ((at = number(at, end, 1, 4, &a)) == NULL || at - from == 3 || at == end) return -1;
    char between = *at;
    if (between != '/' && between != '.' && between != '-') return -1;
    if ((at = number(at + 1, end, 1, 2, &b)) == NULL || at == end || *at != between) return -1;
    from = at + 1;
    if ((at = number(from, end, 1, 4, &c)) == NULL || at - from == 3) return -1;
    head->year = kind->order == 'y' ? a : c;
    head->month = kind->order == 'm' ? a : b;
    head->day = kind->order == 'd' ? a : kind->order == 'm' ? b : c;
    if (head->year < 100) head->year += 2000;
    if (at < end && *at == '.') at++;
    if (at < end && *at == ',') at++;
    if (at == end || *at != ' ') return -1;
    while (at < end && *at == ' ') at++;
    if ((at = number(at, end, 1, 2, &head->hour)) == NULL || at == end || (*at != ':' && *at != '.')) return -1;
    if ((at = number(at + 1, end, 2, 2, &head->minute)) == NULL) return -1;
    head->second = 0;
    if (at < end && (*at == ':' || *at == '.') && (at = number(at + 1, end, 2, 2, &head->second)) == NULL) return -1;
    if (kind->halves) {
        from = at < end && *at == ' ' ? at + 1 : is_at(at, end, NARROW) ? at + 3 : at;
        if (end - from > 1 && ((*from | 32) == 'a' || (*from | 32) == 'p') && (from[1] | 32) == 'm') {
            head->hour = head->hour % 12 + 12 * ((*from | 32) == 'p');
            at = from + 2;
        }
    }
    if (!is_at(at, end, kind->bracketed ? "] " : " - ")) return -1;
    head->name = at + (kind->bracketed ? 2 : 3);
    const char *most = end - head->name > MOST_OF_NAME ? head->name + MOST_OF_NAME + 1 : end;
    const char *colon = memchr(head->name, ':', most - head->name);
    if (colon == NULL || colon == head->name || colon + 1 == end || colon[1] != ' ') return -1;
    head->named = colon - head->name;
    head->text = colon + 2;
    return memchr(head->name, '\r', head->named) || memchr(head->name, '\n', head->named) ? -1 : 1;
}

/* The time in a head, if it surely follows the one before; NULL without an error where it may not. */
static PyObject *time_of(const Head *head, PyObject *last) {
    int year = PyDateTime_GET_YEAR(last), month = PyDateTime_GET_MONTH(last);
    if (head->year < year || head->year > year + YEARS || (head->year == year && head->month < month)) return NULL;
    PyObject *at = PyDateTime_FromDateAndTime(head->year, head->month, head->day, head->hour, head->minute, head->second, 0);
    if (at == NULL) PyErr_Clear(); /* no such day or hour */
    return at;
}

/* Whether WhatsApp itself may say something in a message. */
static int is_telling(const char *text, Py_ssize_t n) {
    return *text == '<' || is_at(text, text + n, MARK) || memchr(text, '>', n) || memchr(text, ')', n) || memchr(text, '\r', n);
}

/* A message of a person that holds nothing but text; NULL without an error where it may be another one. */
static PyObject *text_message(const Kind *kind, const Head *head, Py_ssize_t n, Py_ssize_t begin, Py_ssize_t line, PyObject *whose,
                              PyObject *at) {
    PyObject *name = PyDict_GetItemWithError(kind->names, whose), *made = NULL;
    if (name == NULL || !PyUnicode_Check(name) || PyUnicode_GET_LENGTH(name) == 0 || is_telling(head->text, n)) return NULL;
    PyObject *written = PyUnicode_DecodeUTF8(head->text, n, NULL);
    if (written == NULL) {
        PyErr_Clear();
        return NULL;
    }
    PyObject *text = clean(NULL, written);
    Py_DECREF(written);
    if (text == NULL) return NULL;
    Py_ssize_t length = PyUnicode_GET_LENGTH(text);
    if (length && (length >= kind->longest || !kind->lengths[length])) {
        PyObject *id = PyUnicode_FromFormat("line %zd", line), *offset = PyLong_FromSsize_t(begin);
        PyObject *fields[] = {whatsapp_name, id, name, person_name, at, text, text_name, Py_True, empty_name, offset};
        if (id && offset) made = PyObject_Vectorcall(kind->type, fields, 10, NULL);
        Py_XDECREF(id);
        Py_XDECREF(offset);
    }
    Py_DECREF(text);
    return made;
}

static PyObject *message_of(const Kind *kind, const Head *head, Py_ssize_t n, Py_ssize_t begin, Py_ssize_t line, PyObject *at) {
    PyObject *whose = PyBytes_FromStringAndSize(head->name, head->named);
    if (whose == NULL) return NULL;
    PyObject *made = text_message(kind, head, n, begin, line, whose, at);
    if (made == NULL && !PyErr_Occurred())
        made = PyObject_CallFunction(kind->message, "nnOOy#O", begin, line, at, whose, head->text, n, kind->names);
    Py_DECREF(whose);
    return made;
}

/* messages(pages, begin, end, line, last, most, (order, bracketed, halves, lengths, names, Message, message))
 *     -> ([Message, ...], begin, line, last)
 *
 * The messages that begin at one and before `end`, until it is not sure where one begins or ends; where the next one begins, its
 * line, and the time of the last one. `message` makes those that are not plain text of a person, as `whatsapp._message`.
 */
static PyObject *messages(PyObject *module, PyObject *args) {
    Py_buffer pages;
    Py_ssize_t begin, end, line, most;
    PyObject *last, *at = NULL, *next_at = NULL, *found = PyList_New(0);
    const char *order;
    Kind kind;
    if (found == NULL) return NULL;
    if (!PyArg_ParseTuple(args, "y*nnnO!n(sppy#O!OO)", &pages, &begin, &end, &line, PyDateTimeAPI->DateTimeType, &last, &most, &order,
                          &kind.bracketed, &kind.halves, &kind.lengths, &kind.longest, &PyDict_Type, &kind.names, &kind.type, &kind.message)) {
        Py_DECREF(found);
        return NULL;
    }
    kind.order = *order;
    Py_INCREF(last);
    const char *data = pages.buf, *beyond = data + pages.len, *rest;
    Head head, next;
    if (begin >= 0 && begin < pages.len && head_at(data + begin, beyond, &kind, &head) == 1) at = time_of(&head, last);
    while (at != NULL && begin < end && PyList_GET_SIZE(found) < most) {
        Py_ssize_t lines = 0;
        int begins = 0;
        for (rest = head.text; begins == 0; lines++) {
            rest = memchr(rest, '\n', beyond - rest);
            begins = rest == NULL || ++rest == beyond ? -1 : head_at(rest, beyond, &kind, &next);
        }
        if (begins < 0 || (next_at = time_of(&next, at)) == NULL) break;
        PyObject *made = message_of(&kind, &head, rest - head.text, begin, line, at);
        int wrong = made == NULL || PyList_Append(found, made) < 0;
        Py_XDECREF(made);
        if (wrong) break;
        Py_SETREF(last, at);
        at = next_at;
        next_at = NULL;
        head = next;
        begin = rest - data;
        line += lines;
    }
    Py_XDECREF(at);
    Py_XDECREF(next_at);
    PyBuffer_Release(&pages);
    PyObject *result = PyErr_Occurred() ? NULL : Py_BuildValue("(OnnO)", found, begin, line, last);
    Py_DECREF(found);
    Py_DECREF(last);
    return result;
}

/* -- the module ---------------------------------------------------------------------------------------------------- */

static PyMethodDef methods[] = {
    {"clean", clean, METH_O, "A text without control characters, as `message.cleaned`."},
    {"note", (PyCFunction)(void (*)(void))note, METH_FASTCALL, "Notes one place for many words, as `course._note`."},
    {"messages", messages, METH_VARARGS, "Messages of WhatsApp whose lines are plain, as `whatsapp._messages`."},
    {"other_line", other_line, METH_VARARGS, "The next line with another date, as `whatsapp._other_line`."},
    {"suspects", suspects, METH_O, "The messages in which private things may be, as `exposure._suspects`."},
    {"hints", hints, METH_O, "Which kinds of private things may be in a text: one bit each, in the order of `private.KINDS`."},
    {NULL}};

static PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "soulfra._quick", .m_size = -1, .m_methods = methods};

PyMODINIT_FUNC PyInit__quick(void) {
    for (const char *c = "0123456789@+-_xJA"; *c; c++) telling[(int)*c] = 1;
    for (int c = 0; c < 256; c++) control[c] = (char)is_control(c);
    for (int c = 0; c < 128; c++) inside[c] = Py_ISALNUM(c) || c == '_' || c == '\'' || c == '-';
    role_name = PyUnicode_InternFromString("role");
    visible_name = PyUnicode_InternFromString("visible");
    text_name = PyUnicode_InternFromString("text");
    person_name = PyUnicode_InternFromString("person");
    whatsapp_name = PyUnicode_InternFromString("whatsapp");
    empty_name = PyUnicode_InternFromString("");
    PyDateTime_IMPORT;
    if (!role_name || !visible_name || !text_name || !person_name || !whatsapp_name || !empty_name || !PyDateTimeAPI ||
        PyType_Ready(&WordsType) < 0)
        return NULL;
    PyObject *module = PyModule_Create(&definition);
    if (module == NULL || PyModule_AddObjectRef(module, "Words", (PyObject *)&WordsType) < 0) {
        Py_XDECREF(module);
        return NULL;
    }
    return module;
}
