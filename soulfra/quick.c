/* What is done for every message of a chat, compiled: its text is cleaned, its words are read, and it is told which private
 * things may be in it. What that means is said in chat/message.py, words/language.py and private.py, which do the same where
 * this could not be compiled.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

/* -- cleaning ------------------------------------------------------------------------------------------------------ */

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

static char telling[128]; /* characters with which something may begin */

static int is_digit(Py_UCS4 c) { return c >= '0' && c <= '9'; }
static int is_upper(Py_UCS4 c) { return c >= 'A' && c <= 'Z'; }

static int goes_on(int kind, const void *data, Py_ssize_t n, Py_ssize_t at, const char *with) {
    for (; *with; with++, at++)
        if (at >= n || PyUnicode_READ(kind, data, at) != (Py_UCS4)*with) return 0;
    return 1;
}

static PyObject *hints(PyObject *module, PyObject *text) {
    if (!PyUnicode_Check(text)) return PyErr_Format(PyExc_TypeError, "a text is needed");
    int kind = PyUnicode_KIND(text), may = 0, run = 0;
    const void *data = PyUnicode_DATA(text);
    Py_ssize_t n = PyUnicode_GET_LENGTH(text), last = -9; /* place of the last digit of a run */
#define AT(i) ((i) < n ? PyUnicode_READ(kind, data, (i)) : 0)
#define FOLLOWS(words) goes_on(kind, data, n, i, words)
    for (Py_ssize_t i = 0; i < n; i++) {
        Py_UCS4 c = PyUnicode_READ(kind, data, i);
        if (c >= 128 || !telling[c]) continue;
        if (is_digit(c)) {
            int goes = last == i - 1 || (last == i - 2 && (AT(i - 1) == ' ' || AT(i - 1) == '-'));
            run = goes ? run + 1 : 1;
            last = i;
            if (run >= DIGITS) may |= CARD;
        } else if (c == '@')
            may |= MAIL;
        else if (c == '+' && is_digit(AT(i + 1)))
            may |= PHONE;
        else if (c == 's' && FOLLOWS("sk-"))
            may |= SECRET;
        else if (c == 'g' && ((AT(i + 1) == 'h' && AT(i + 3) == '_') || FOLLOWS("glpat-")))
            may |= SECRET;
        else if (c == 'x' && FOLLOWS("xox"))
            may |= SECRET;
        else if (c == 'e' && FOLLOWS("eyJ"))
            may |= TOKEN;
        else if (c == '-' && FOLLOWS("-----BEGIN"))
            may |= PRIVATE;
        else if (is_upper(c)) {
            if (c == 'A' && (FOLLOWS("AKIA") || FOLLOWS("AIza"))) may |= SECRET;
            if (is_upper(AT(i + 1)) && is_digit(AT(i + 2)) && is_digit(AT(i + 3))) may |= BANK;
        }
    }
    return PyLong_FromLong(may);
}

/* -- words --------------------------------------------------------------------------------------------------------- */

#define ROW 64    /* words of a line that are looked at, at most */
#define CUES 32   /* cues of a language, at most */
#define BITS (1 << 19) /* of the filter: 64 KiB */
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
    Hash *silent;     /* words that say nothing of what a line is about, sorted */
    Hash *kept;
    PyObject **words; /* the kept ones */
    PyObject *names, *nothing, *plain;
    double floors[CUES];
    Py_ssize_t mask, n_silent;
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

static Hash hash_of(const Py_UCS4 *text, Py_ssize_t n) {
    Hash h = 0xcbf29ce484222325ULL;
    for (Py_ssize_t i = 0; i < n; i++) h = (h ^ text[i]) * 0x100000001b3ULL;
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

static int compared(const void *a, const void *b) {
    Hash x = *(const Hash *)a, y = *(const Hash *)b;
    return x < y ? -1 : x > y;
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
    if (self->features != NULL || cues > CUES || cues != PyList_GET_SIZE(floors) || self->longest > ROW - 2 || pairs >= 1 << 24) {
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
    self->n_silent = PyList_GET_SIZE(silent);
    self->features = PyMem_Calloc(room, sizeof(Feature));
    self->seen = PyMem_Calloc(BITS / 64, sizeof(uint64_t));
    self->pairs = PyMem_Calloc(pairs + 1, sizeof(Pair));
    self->silent = PyMem_Calloc(self->n_silent + 1, sizeof(Hash));
    self->kept = PyMem_Calloc(KEPT, sizeof(Hash));
    self->words = PyMem_Calloc(KEPT, sizeof(PyObject *));
    if (!self->features || !self->seen || !self->pairs || !self->silent || !self->kept || !self->words) {
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
    for (Py_ssize_t i = 0; i < self->n_silent; i++) {
        Py_UCS4 *text = PyUnicode_AsUCS4Copy(PyList_GET_ITEM(silent, i));
        if (text == NULL) return -1;
        self->silent[i] = hash_of(text, PyUnicode_GET_LENGTH(PyList_GET_ITEM(silent, i)));
        PyMem_Free(text);
    }
    qsort(self->silent, self->n_silent, sizeof(Hash), compared);
    return PyErr_Occurred() ? -1 : 0;
}

static void words_dealloc(Words *self) {
    if (self->words != NULL)
        for (int i = 0; i < KEPT; i++) Py_XDECREF(self->words[i]);
    PyMem_Free(self->features);
    PyMem_Free(self->seen);
    PyMem_Free(self->pairs);
    PyMem_Free(self->silent);
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

static int is_word(Py_UCS4 c) {
    if (c < 128) return (c >= 'a' && c <= 'z') || is_digit(c) || c == '_' || is_upper(c);
    return Py_UNICODE_ISALNUM(c);
}

static int begins_word(Py_UCS4 c) {
    if (c < 128) return (c >= 'a' && c <= 'z') || is_upper(c);
    return Py_UNICODE_ISALNUM(c) && !Py_UNICODE_ISDECIMAL(c);
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
    for (Py_ssize_t i = 0, n = PyUnicode_GET_LENGTH(text); i < n; i++) {
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

/* Adds up the weights of the features of a line. What it looks for is fetched before it is needed. */
static void count(Words *self, Hash *keys, int n, long *totals, int *times) {
    int known = 0;
    for (int i = 0; i < n; i++)
        if (self->seen[bits_of(keys[i])] & bit_of(keys[i])) {
            __builtin_prefetch(&self->features[keys[i] & self->mask]);
            keys[known++] = keys[i];
        }
    for (int i = 0; i < known; i++) {
        Feature *feature = &self->features[place_of(self, keys[i])];
        if (feature->key == 0 || feature->line == self->line) continue; /* unknown, or a second time */
        feature->line = self->line;
        for (Pair *pair = self->pairs + feature->first, *end = pair + feature->n; pair < end; pair++) {
            totals[pair->cue] += pair->weight;
            times[pair->cue]++;
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
    Hash row[ROW], told[ROW], keys[4 * ROW + 1];
    PyObject *terms[ROW];
    long totals[CUES] = {0};
    int times[CUES] = {0}, words = 1, features = 0;
    if (++self->line == 0) {
        for (Py_ssize_t i = 0; i <= self->mask; i++) self->features[i].line = 0;
        self->line = 1;
    }
    row[0] = hash_of_ascii("^");
    for (Py_ssize_t at = 0; at < n && words <= self->longest;) {
        Py_UCS4 c = from[at];
        Py_ssize_t begin = at++;
        if (begins_word(c)) {
            int digits = c >= 128 && Py_UNICODE_ISDIGIT(c);
            while (at < n && (is_word(from[at]) || from[at] == '\'' || from[at] == '-')) {
                digits = digits && (from[at] >= 128 ? Py_UNICODE_ISDIGIT(from[at]) : is_digit(from[at]));
                at++;
            }
            Py_ssize_t length = at - begin;
            if (digits) {
                row[words++] = hash_of_ascii("#");
                continue;
            }
            Hash hash = row[words++] = hash_of(from + begin, length);
            if (length > self->stem + 1) {
                Py_UCS4 beginning[ROW];
                memcpy(beginning, from + begin, self->stem * sizeof(Py_UCS4));
                beginning[self->stem] = '*';
                keys[features++] = hash_of(beginning, self->stem + 1);
            }
            if (length >= self->letters && !bsearch(&hash, self->silent, self->n_silent, sizeof(Hash), compared)) {
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
    count(self, keys, features, totals, times);
    PyObject *said = NULL, *subjects = PyTuple_New(about);
    if (subjects == NULL) goto failed;
    for (Py_ssize_t i = 0; i < about; i++) PyTuple_SET_ITEM(subjects, i, terms[i]);
    for (int i = 0; i < self->cues; i++) {
        double score = times[i] ? (double)totals[i] / sqrt((double)times[i]) / 1000.0 : 0.0;
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

static PyObject *role_name, *visible_name, *text_name, *person_name;

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

/* -- the module ---------------------------------------------------------------------------------------------------- */

static PyMethodDef methods[] = {
    {"clean", clean, METH_O, "A text without control characters, as `message.cleaned`."},
    {"note", (PyCFunction)(void (*)(void))note, METH_FASTCALL, "Notes one place for many words, as `course._note`."},
    {"hints", hints, METH_O, "Which kinds of private things may be in a text: one bit each, in the order of `private.KINDS`."},
    {NULL}};

static PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "soulfra._quick", .m_size = -1, .m_methods = methods};

PyMODINIT_FUNC PyInit__quick(void) {
    for (const char *c = "0123456789@+sgxe-ABCDEFGHIJKLMNOPQRSTUVWXYZ"; *c; c++) telling[(int)*c] = 1;
    role_name = PyUnicode_InternFromString("role");
    visible_name = PyUnicode_InternFromString("visible");
    text_name = PyUnicode_InternFromString("text");
    person_name = PyUnicode_InternFromString("person");
    if (!role_name || !visible_name || !text_name || !person_name || PyType_Ready(&WordsType) < 0) return NULL;
    PyObject *module = PyModule_Create(&definition);
    if (module == NULL || PyModule_AddObjectRef(module, "Words", (PyObject *)&WordsType) < 0) {
        Py_XDECREF(module);
        return NULL;
    }
    return module;
}
