"""What we do with it: folds that keep tables, jobs that take their time, and the projector that fills Redis."""
