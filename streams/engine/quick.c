/* The four things that are done for every event, compiled: the cursor, the log of writes, a table's look-ups, and the step
 * to the next event. What they do is said in shard.py, table.py and stream.py, which do the same where this could not be
 * compiled.
 */
#define _GNU_SOURCE /* memmem */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <string.h>
#include <structmember.h>

static PyObject *current; /* ContextVar of the cursor */
static PyObject *gone;    /* in the place of a value: there is none */
static PyObject *absent_name, *delete_name, *slow_name, *more_name;

/* -- the cursor ---------------------------------------------------------------------------------------------------- */

typedef struct {
    PyObject_HEAD
    long long number, base, limit;
    Py_ssize_t taken;
    char resting;
    double since;
    PyObject *batch, *shard, *rows, *logs, *outputs;
} Cursor;

static PyMemberDef cursor_members[] = {
    {"number", T_LONGLONG, offsetof(Cursor, number), 0, NULL},
    {"base", T_LONGLONG, offsetof(Cursor, base), 0, NULL},
    {"limit", T_LONGLONG, offsetof(Cursor, limit), 0, NULL},
    {"taken", T_PYSSIZET, offsetof(Cursor, taken), 0, NULL},
    {"resting", T_BOOL, offsetof(Cursor, resting), 0, NULL},
    {"since", T_DOUBLE, offsetof(Cursor, since), 0, NULL},
    {"batch", T_OBJECT, offsetof(Cursor, batch), 0, NULL},
    {"shard", T_OBJECT_EX, offsetof(Cursor, shard), 0, NULL},
    {"rows", T_OBJECT_EX, offsetof(Cursor, rows), 0, NULL},
    {"logs", T_OBJECT_EX, offsetof(Cursor, logs), 0, NULL},
    {"outputs", T_OBJECT_EX, offsetof(Cursor, outputs), 0, NULL},
    {NULL}};

static int cursor_traverse(Cursor *self, visitproc visit, void *arg) {
    Py_VISIT(self->batch);
    Py_VISIT(self->shard);
    Py_VISIT(self->rows);
    Py_VISIT(self->logs);
    Py_VISIT(self->outputs);
    return 0;
}

static int cursor_clear(Cursor *self) {
    Py_CLEAR(self->batch);
    Py_CLEAR(self->shard);
    Py_CLEAR(self->rows);
    Py_CLEAR(self->logs);
    Py_CLEAR(self->outputs);
    return 0;
}

static void cursor_dealloc(Cursor *self) {
    PyObject_GC_UnTrack(self);
    cursor_clear(self);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyTypeObject CursorType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "streams.engine._quick.Cursor",
    .tp_basicsize = sizeof(Cursor),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_new = PyType_GenericNew,
    .tp_traverse = (traverseproc)cursor_traverse,
    .tp_clear = (inquiry)cursor_clear,
    .tp_dealloc = (destructor)cursor_dealloc,
    .tp_members = cursor_members,
};

/* The cursor of the task that runs, as a new reference; NULL without an error when there is none. */
static Cursor *cursor_now(void) {
    PyObject *found = NULL;
    if (PyContextVar_Get(current, NULL, &found) < 0 || found == NULL) return NULL;
    if (PyObject_TypeCheck(found, &CursorType)) return (Cursor *)found;
    Py_DECREF(found);
    PyErr_SetString(PyExc_TypeError, "the current cursor is of another kind");
    return NULL;
}

/* -- the log of writes to one table -------------------------------------------------------------------------------- */

typedef struct {
    PyObject *key, *before;
    long long event;
    char first; /* of its key since the rows were taken */
} Write;

typedef struct {
    PyObject_HEAD
    PyObject *rows; /* written since they were taken: the newest value by key, or GONE */
    Write *writes;  /* of events that may be undone */
    Py_ssize_t n, room;
} Log;

static PyMemberDef log_members[] = {{"rows", T_OBJECT_EX, offsetof(Log, rows), READONLY, NULL}, {NULL}};

static PyObject *log_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    Log *self = (Log *)type->tp_alloc(type, 0);
    if (self != NULL && (self->rows = PyDict_New()) == NULL) Py_CLEAR(self);
    return (PyObject *)self;
}

static int log_traverse(Log *self, visitproc visit, void *arg) {
    Py_VISIT(self->rows);
    for (Py_ssize_t i = 0; i < self->n; i++) {
        Py_VISIT(self->writes[i].key);
        Py_VISIT(self->writes[i].before);
    }
    return 0;
}

/* Forgets single writes, not the rows. */
static void log_drop(Log *self) {
    while (self->n > 0) {
        Write last = self->writes[--self->n];
        Py_DECREF(last.key);
        Py_DECREF(last.before);
    }
}

static int log_unlink(Log *self) {
    log_drop(self);
    Py_CLEAR(self->rows);
    return 0;
}

static void log_dealloc(Log *self) {
    PyObject_GC_UnTrack(self);
    log_unlink(self);
    PyMem_Free(self->writes);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static int log_append(Log *self, PyObject *key, PyObject *before, long long event, char first) {
    if (self->n == self->room) {
        Py_ssize_t room = self->room ? 2 * self->room : 8;
        Write *more = PyMem_Resize(self->writes, Write, room);
        if (more == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        self->writes = more;
        self->room = room;
    }
    self->writes[self->n++] = (Write){Py_NewRef(key), Py_NewRef(before), event, first};
    return 0;
}

static int log_write(Log *self, PyObject *key, PyObject *value, PyObject *before, long long event) {
    Py_ssize_t known = PyDict_GET_SIZE(self->rows);
    if (PyDict_SetItem(self->rows, key, value) < 0) return -1;
    return log_append(self, key, before, event, PyDict_GET_SIZE(self->rows) > known);
}

/* An event is over: unless another one wrote too, and may still be undone, its writes need not be kept. */
static void log_end(Log *self, long long event) {
    for (Py_ssize_t i = 0; i < self->n; i++)
        if (self->writes[i].event != event) return;
    log_drop(self);
}

static PyObject *log_note(Log *self, PyObject *args) {
    PyObject *key, *value, *before;
    long long event;
    if (!PyArg_ParseTuple(args, "OOOL", &key, &value, &before, &event)) return NULL;
    if (log_write(self, key, value, before, event) < 0) return NULL;
    Py_RETURN_NONE;
}

static PyObject *log_writes(Log *self, PyObject *unused) {
    PyObject *all = PyList_New(0);
    for (Py_ssize_t i = 0; all != NULL && i < self->n; i++) {
        Write *one = &self->writes[i];
        PyObject *told = Py_BuildValue("OOLO", one->key, one->before, one->event, one->first ? Py_True : Py_False);
        if (told == NULL || PyList_Append(all, told) < 0) Py_CLEAR(all);
        Py_XDECREF(told);
    }
    return all;
}

static PyObject *log_keep(Log *self, PyObject *writes) {
    if (!PyList_Check(writes)) return PyErr_Format(PyExc_TypeError, "a list is needed");
    log_drop(self);
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(writes); i++) {
        PyObject *key, *before;
        long long event;
        int first;
        if (!PyArg_ParseTuple(PyList_GET_ITEM(writes, i), "OOLp", &key, &before, &event, &first)) return NULL;
        if (log_append(self, key, before, event, (char)first) < 0) return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *log_take(Log *self, PyObject *unused) {
    PyObject *rows = self->rows, *none = PyDict_New();
    if (none == NULL) return NULL;
    self->rows = none;
    log_drop(self);
    return rows;
}

static PyMethodDef log_methods[] = {
    {"note", (PyCFunction)log_note, METH_VARARGS, NULL},
    {"writes", (PyCFunction)log_writes, METH_NOARGS, NULL},
    {"keep", (PyCFunction)log_keep, METH_O, NULL},
    {"take", (PyCFunction)log_take, METH_NOARGS, NULL},
    {NULL}};

static PyTypeObject LogType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "streams.engine._quick.Log",
    .tp_basicsize = sizeof(Log),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_new = log_new,
    .tp_traverse = (traverseproc)log_traverse,
    .tp_clear = (inquiry)log_unlink,
    .tp_dealloc = (destructor)log_dealloc,
    .tp_members = log_members,
    .tp_methods = log_methods,
};

/* -- a table's look-ups -------------------------------------------------------------------------------------------- */

typedef struct {
    PyObject_HEAD
    Py_ssize_t number; /* place of the table in a shard's lists; -1: not declared yet */
    char windowed;     /* whether rows get old, which is noted in Python */
} Cells;

static PyMemberDef cells_members[] = {
    {"number", T_PYSSIZET, offsetof(Cells, number), 0, NULL},
    {"windowed", T_BOOL, offsetof(Cells, windowed), 0, NULL},
    {NULL}};

static PyObject *cells_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    Cells *self = (Cells *)type->tp_alloc(type, 0);
    if (self != NULL) self->number = -1;
    return (PyObject *)self;
}

/* Of one of a cursor's lists; borrowed, or NULL without an error when it is not there. */
static PyObject *of_table(PyObject *list, Py_ssize_t number) {
    return list != NULL && PyList_Check(list) && number >= 0 && number < PyList_GET_SIZE(list)
               ? PyList_GET_ITEM(list, number)
               : NULL;
}

static PyObject *cells_get(Cells *self, PyObject *key) {
    Cursor *cursor = cursor_now();
    if (cursor == NULL) {
        if (PyErr_Occurred()) return NULL;
        return PyObject_CallMethodOneArg((PyObject *)self, absent_name, key);
    }
    PyObject *rows = of_table(cursor->rows, self->number), *value = NULL;
    if (rows != NULL && PyDict_Check(rows)) {
        Py_INCREF(rows);
        value = PyDict_GetItemWithError(rows, key);
        Py_XINCREF(value);
        if (value == NULL && !PyErr_Occurred()) value = PyObject_GetItem(rows, key); /* a store behind the dictionary */
        Py_DECREF(rows);
    }
    Py_DECREF(cursor);
    if (value != NULL) return value;
    if (PyErr_Occurred()) {
        if (!PyErr_ExceptionMatches(PyExc_LookupError)) return NULL;
        PyErr_Clear();
    }
    return PyObject_CallMethodOneArg((PyObject *)self, absent_name, key);
}

static int cells_write(Cursor *cursor, Cells *self, PyObject *key, PyObject *value) {
    PyObject *rows = of_table(cursor->rows, self->number), *log = of_table(cursor->logs, self->number);
    if (rows == NULL || log == NULL || !PyDict_Check(rows) || !Py_IS_TYPE(log, &LogType)) {
        PyErr_SetString(PyExc_TypeError, "this table has no rows here: it was declared after the worker had begun");
        return -1;
    }
    Py_INCREF(rows);
    Py_INCREF(log);
    PyObject *old = PyDict_GetItemWithError(rows, key);
    int bad = old == NULL && PyErr_Occurred();
    if (!bad)
        bad = log_write((Log *)log, key, value, old == NULL ? gone : old, cursor->number) < 0 || PyDict_SetItem(rows, key, value) < 0;
    Py_DECREF(rows);
    Py_DECREF(log);
    return bad ? -1 : 0;
}

#define SMALL 1000 /* characters or bytes of a value that is written without being measured */
#define FEW 16     /* values in a tuple, likewise */

static int is_scalar(PyObject *value) {
    if (value == Py_None || PyBool_Check(value) || PyFloat_CheckExact(value)) return 1;
    if (PyLong_CheckExact(value)) return Py_ABS(Py_SIZE(value)) <= FEW;
    if (PyUnicode_CheckExact(value)) return PyUnicode_GET_LENGTH(value) <= SMALL;
    return PyBytes_CheckExact(value) && PyBytes_GET_SIZE(value) <= SMALL;
}

/* Whether a value cannot be changed in place and is far smaller than any record may be. */
static int is_small(PyObject *value) {
    if (!PyTuple_CheckExact(value)) return is_scalar(value);
    Py_ssize_t n = PyTuple_GET_SIZE(value);
    if (n > FEW) return 0;
    while (n-- > 0)
        if (!is_scalar(PyTuple_GET_ITEM(value, n))) return 0;
    return 1;
}

static int cells_set(Cells *self, PyObject *key, PyObject *value) {
    if (value == NULL) {
        PyObject *done = PyObject_CallMethodOneArg((PyObject *)self, delete_name, key);
        Py_XDECREF(done);
        return done == NULL ? -1 : 0;
    }
    Cursor *cursor = NULL;
    if (!self->windowed && is_small(value)) cursor = cursor_now();
    if (cursor == NULL) { /* more to do: to be measured, or refused with a sentence */
        if (PyErr_Occurred()) return -1;
        PyObject *done = PyObject_CallMethodObjArgs((PyObject *)self, slow_name, key, value, NULL);
        Py_XDECREF(done);
        return done == NULL ? -1 : 0;
    }
    int bad = cells_write(cursor, self, key, value);
    Py_DECREF(cursor);
    return bad;
}

static PyMappingMethods cells_mapping = {
    .mp_subscript = (binaryfunc)cells_get,
    .mp_ass_subscript = (objobjargproc)cells_set,
};

static PyTypeObject CellsType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "streams.engine._quick.Cells",
    .tp_basicsize = sizeof(Cells),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .tp_new = cells_new,
    .tp_members = cells_members,
    .tp_as_mapping = &cells_mapping,
};

/* -- the step to the next event ------------------------------------------------------------------------------------ */

typedef struct {
    PyObject_HEAD
    Cursor *cursor;
    PyObject *values; /* of the batch in hand; as bytes, where there is a decoder */
    PyObject *decode; /* or NULL */
    PyObject *mark;   /* what is not simple to decode has these bytes in it */
    PyObject *ready;  /* the value at `at`, or NULL */
    Py_ssize_t at, end;
    char in_hand; /* whether the agent works on the value before `at` */
} Values;

static PyMemberDef values_members[] = {
    {"at", T_PYSSIZET, offsetof(Values, at), READONLY, NULL},
    {"end", T_PYSSIZET, offsetof(Values, end), READONLY, NULL},
    {NULL}};

static int values_traverse(Values *self, visitproc visit, void *arg) {
    Py_VISIT(self->cursor);
    Py_VISIT(self->values);
    Py_VISIT(self->decode);
    Py_VISIT(self->ready);
    return 0;
}

static int values_clear(Values *self) {
    Py_CLEAR(self->cursor);
    Py_CLEAR(self->values);
    Py_CLEAR(self->decode);
    Py_CLEAR(self->mark);
    Py_CLEAR(self->ready);
    return 0;
}

static void values_dealloc(Values *self) {
    PyObject_GC_UnTrack(self);
    values_clear(self);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

/* open(cursor, values, at, decode, mark): these come next. */
static PyObject *values_open(Values *self, PyObject *args) {
    PyObject *cursor, *values, *decode = Py_None, *mark = NULL;
    Py_ssize_t at;
    if (!PyArg_ParseTuple(args, "O!O!n|OS", &CursorType, &cursor, &PyList_Type, &values, &at, &decode, &mark)) return NULL;
    if (at < 0) {
        PyErr_SetString(PyExc_IndexError, "before the batch");
        return NULL;
    }
    Py_XSETREF(self->cursor, (Cursor *)Py_NewRef(cursor));
    Py_XSETREF(self->values, Py_NewRef(values));
    Py_XSETREF(self->decode, decode == Py_None ? NULL : Py_NewRef(decode));
    Py_XSETREF(self->mark, Py_XNewRef(mark));
    Py_CLEAR(self->ready);
    self->at = at;
    self->end = PyList_GET_SIZE(values);
    self->in_hand = 0;
    Py_RETURN_NONE;
}

/* Has the next value at hand; false when there is none, or when it cannot simply be decoded. */
static int get_ready(Values *self) {
    if (self->ready != NULL) return 1;
    if (self->values == NULL || self->at >= self->end || self->at >= PyList_GET_SIZE(self->values)) return 0;
    PyObject *value = PyList_GET_ITEM(self->values, self->at);
    if (self->decode == NULL) {
        self->ready = Py_NewRef(value);
        return 1;
    }
    if (!PyBytes_CheckExact(value)) return 0;
    Py_ssize_t n = PyBytes_GET_SIZE(value), marked = self->mark ? PyBytes_GET_SIZE(self->mark) : 0;
    if (marked && memmem(PyBytes_AS_STRING(value), n, PyBytes_AS_STRING(self->mark), marked)) return 0;
    Py_INCREF(value);
    self->ready = PyObject_CallOneArg(self->decode, value);
    Py_DECREF(value);
    if (self->ready == NULL && PyErr_ExceptionMatches(PyExc_Exception)) PyErr_Clear(); /* in Python it is told what was wrong */
    return self->ready != NULL;
}

static PyObject *take(Values *self) {
    PyObject *value = self->ready;
    self->ready = NULL;
    self->at++;
    self->in_hand = 1;
    return value;
}

/* take(): the next one, without looking up. */
static PyObject *values_take(Values *self, PyObject *unused) {
    if (get_ready(self)) return take(self);
    if (!PyErr_Occurred()) PyErr_SetNone(PyExc_IndexError);
    return NULL;
}

static PyObject *values_ready(Values *self, PyObject *unused) {
    int ready = get_ready(self);
    return PyErr_Occurred() ? NULL : PyBool_FromLong(ready);
}

static PyObject *values_anext(Values *self) {
    int look_up = 0;
    if (self->in_hand) {
        Cursor *cursor = self->cursor;
        self->in_hand = 0;
        for (Py_ssize_t i = 0; cursor->logs != NULL && PyList_Check(cursor->logs) && i < PyList_GET_SIZE(cursor->logs); i++) {
            PyObject *log = PyList_GET_ITEM(cursor->logs, i);
            if (Py_IS_TYPE(log, &LogType)) log_end((Log *)log, cursor->number);
        }
        cursor->number++;
        look_up = cursor->number >= cursor->limit;
    }
    if (look_up || !get_ready(self)) return PyErr_Occurred() ? NULL : PyObject_CallMethodNoArgs((PyObject *)self, more_name);
    return Py_NewRef(self);
}

static PyObject *itself(PyObject *self) {
    Py_INCREF(self);
    return self;
}

/* Awaiting what `__anext__` returned gives the value at once, without a turn of the event loop. */
static PySendResult values_send(Values *self, PyObject *unused, PyObject **result) {
    if (self->ready == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "awaited twice");
        return PYGEN_ERROR;
    }
    *result = take(self);
    return PYGEN_RETURN;
}

static PyObject *values_next(Values *self) { /* as a plain iterator: the same, told by an exception */
    PyObject *value = values_take(self, NULL);
    if (value != NULL) {
        PyObject *stop = PyObject_CallOneArg(PyExc_StopIteration, value);
        Py_DECREF(value);
        if (stop != NULL) PyErr_SetObject(PyExc_StopIteration, stop);
        Py_XDECREF(stop);
    }
    return NULL;
}

static PyAsyncMethods values_async = {
    .am_await = itself,
    .am_aiter = itself,
    .am_anext = (unaryfunc)values_anext,
    .am_send = (sendfunc)values_send,
};

static PyMethodDef values_methods[] = {
    {"open", (PyCFunction)values_open, METH_VARARGS, "open(cursor, values, at, decode, mark): these come next."},
    {"ready", (PyCFunction)values_ready, METH_NOARGS, "Whether the next value is there, and could be decoded."},
    {"take", (PyCFunction)values_take, METH_NOARGS, "The next value; raises IndexError."},
    {NULL}};

static PyTypeObject ValuesType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "streams.engine._quick.Values",
    .tp_basicsize = sizeof(Values),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_new = PyType_GenericNew,
    .tp_traverse = (traverseproc)values_traverse,
    .tp_clear = (inquiry)values_clear,
    .tp_dealloc = (destructor)values_dealloc,
    .tp_members = values_members,
    .tp_methods = values_methods,
    .tp_as_async = &values_async,
    .tp_iter = itself,
    .tp_iternext = (iternextfunc)values_next,
};

/* -- the module ---------------------------------------------------------------------------------------------------- */

/* begin(current, gone): the context variable of the cursor, and the mark of an absent value. */
static PyObject *begin(PyObject *module, PyObject *args) {
    PyObject *variable, *mark;
    if (!PyArg_ParseTuple(args, "O!O", &PyContextVar_Type, &variable, &mark)) return NULL;
    Py_INCREF(variable);
    Py_XSETREF(current, variable);
    Py_INCREF(mark);
    Py_XSETREF(gone, mark);
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {{"begin", begin, METH_VARARGS, NULL}, {NULL}};

static PyModuleDef module_of = {PyModuleDef_HEAD_INIT, "streams.engine._quick", NULL, -1, functions};

PyMODINIT_FUNC PyInit__quick(void) {
    absent_name = PyUnicode_InternFromString("_absent");
    delete_name = PyUnicode_InternFromString("_delete");
    slow_name = PyUnicode_InternFromString("_write");
    more_name = PyUnicode_InternFromString("more");
    PyObject *module = PyModule_Create(&module_of);
    if (module == NULL || !absent_name || !delete_name || !slow_name || !more_name) return NULL;
    if (PyModule_AddType(module, &CursorType) < 0 || PyModule_AddType(module, &LogType) < 0 ||
        PyModule_AddType(module, &CellsType) < 0 || PyModule_AddType(module, &ValuesType) < 0) {
        Py_DECREF(module);
        return NULL;
    }
    return module;
}
