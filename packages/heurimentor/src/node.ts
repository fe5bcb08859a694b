/** The training framework HeuriMentor: the adaptive training engine, exact resume, atomic checkpoints. */
export {}
