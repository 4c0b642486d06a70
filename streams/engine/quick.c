/* The three things that are done for every event, compiled: the cursor, a table's look-ups, and the step to the next
 * event. What they do is said in shard.py, table.py and stream.py, which do the same where this could not be compiled.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
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

static int append(PyObject *log, PyObject *key, PyObject *old, long long number) {
    PyObject *event = PyLong_FromLongLong(number);
    if (event == NULL) return -1;
    int bad = PyList_Append(log, key) < 0 || PyList_Append(log, old) < 0 || PyList_Append(log, event) < 0;
    Py_DECREF(event);
    return bad ? -1 : 0;
}

static int cells_write(Cursor *cursor, Cells *self, PyObject *key, PyObject *value) {
    PyObject *rows = of_table(cursor->rows, self->number), *log = of_table(cursor->logs, self->number);
    if (rows == NULL || log == NULL || !PyDict_Check(rows) || !PyList_Check(log)) {
        PyErr_SetString(PyExc_TypeError, "this table has no rows here: it was declared after the worker had begun");
        return -1;
    }
    Py_INCREF(rows);
    Py_INCREF(log);
    PyObject *old = PyDict_GetItemWithError(rows, key);
    int bad = old == NULL && PyErr_Occurred();
    if (!bad) bad = append(log, key, old == NULL ? gone : old, cursor->number) < 0 || PyDict_SetItem(rows, key, value) < 0;
    Py_DECREF(rows);
    Py_DECREF(log);
    return bad ? -1 : 0;
}

static int cells_set(Cells *self, PyObject *key, PyObject *value) {
    if (value == NULL) {
        PyObject *done = PyObject_CallMethodOneArg((PyObject *)self, delete_name, key);
        Py_XDECREF(done);
        return done == NULL ? -1 : 0;
    }
    Cursor *cursor = NULL;
    int slow = self->windowed || PyList_CheckExact(value) || PyDict_CheckExact(value) || PySet_CheckExact(value) ||
               PyByteArray_CheckExact(value);
    if (!slow) cursor = cursor_now();
    if (cursor == NULL) { /* more to do, or refused with a sentence */
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
    PyObject *values; /* of the batch in hand */
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
    return 0;
}

static int values_clear(Values *self) {
    Py_CLEAR(self->cursor);
    Py_CLEAR(self->values);
    return 0;
}

static void values_dealloc(Values *self) {
    PyObject_GC_UnTrack(self);
    values_clear(self);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

/* open(cursor, values, at, end): these come next. */
static PyObject *values_open(Values *self, PyObject *args) {
    PyObject *cursor, *values;
    Py_ssize_t at, end;
    if (!PyArg_ParseTuple(args, "O!O!nn", &CursorType, &cursor, &PyList_Type, &values, &at, &end)) return NULL;
    if (at < 0 || end > PyList_GET_SIZE(values)) {
        PyErr_SetString(PyExc_IndexError, "beyond the batch");
        return NULL;
    }
    Py_INCREF(cursor);
    Py_XSETREF(self->cursor, (Cursor *)cursor);
    Py_INCREF(values);
    Py_XSETREF(self->values, values);
    self->at = at;
    self->end = end;
    self->in_hand = 0;
    Py_RETURN_NONE;
}

static int has_next(Values *self) {
    return self->values != NULL && self->at < self->end && self->at < PyList_GET_SIZE(self->values);
}

static PyObject *take(Values *self) {
    PyObject *value = PyList_GET_ITEM(self->values, self->at);
    self->at++;
    self->in_hand = 1;
    Py_INCREF(value);
    return value;
}

/* take(): the next one, without looking up. */
static PyObject *values_take(Values *self, PyObject *unused) {
    if (has_next(self)) return take(self);
    PyErr_SetNone(PyExc_IndexError);
    return NULL;
}

static PyObject *values_anext(Values *self) {
    int look_up = !has_next(self);
    if (self->in_hand) {
        self->in_hand = 0;
        self->cursor->number++;
        look_up |= self->cursor->number >= self->cursor->limit;
    }
    if (look_up) return PyObject_CallMethodNoArgs((PyObject *)self, more_name);
    Py_INCREF(self);
    return (PyObject *)self;
}

static PyObject *itself(PyObject *self) {
    Py_INCREF(self);
    return self;
}

/* Awaiting what `__anext__` returned gives the value at once, without a turn of the event loop. */
static PySendResult values_send(Values *self, PyObject *unused, PyObject **result) {
    if (!has_next(self)) {
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
    {"open", (PyCFunction)values_open, METH_VARARGS, "open(cursor, values, at, end): these come next."},
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
    if (PyModule_AddType(module, &CursorType) < 0 || PyModule_AddType(module, &CellsType) < 0 ||
        PyModule_AddType(module, &ValuesType) < 0) {
        Py_DECREF(module);
        return NULL;
    }
    return module;
}
