/** The command `tarazed`. */
export {}
