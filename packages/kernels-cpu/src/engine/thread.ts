/** The WebAssembly instances of one thread over the engine's memory: routines, driver and generated kernels in one table. */
export interface ThreadModules {
  readonly memory: WebAssembly.Memory
  readonly driver: WebAssembly.Module
  readonly routines: WebAssembly.Module
}

export interface ThreadInstances {
  /** Runs the program whose header is at an address, as thread number `thread`. */
  run(header: number, thread: number, unused: number): void
  /** Compiles kernels and puts them into the table. */
  addKernels(bytes: Uint8Array, tableSize: number): void
}

/** Routine functions in the order of their table entries. */
export function routineNames(routines: WebAssembly.Module): string[] {
  const functions = WebAssembly.Module.exports(routines).filter((entry) => entry.kind === 'function')
  return functions.map((entry) => entry.name)
}

export function createThread({ memory, driver, routines }: ThreadModules): ThreadInstances {
  const names = routineNames(routines)
  const table = new WebAssembly.Table({ initial: names.length, element: 'anyfunc' })
  const env = { memory, table, now: () => performance.now() }
  const library = new WebAssembly.Instance(routines, { env }).exports
  names.forEach((name, index) => table.set(index, library[name] as () => void))
  const { run } = new WebAssembly.Instance(driver, { env }).exports as { run: ThreadInstances['run'] }
  return {
    run,
    addKernels(bytes, tableSize) {
      if (table.length < tableSize) table.grow(tableSize - table.length)
      new WebAssembly.Instance(new WebAssembly.Module(bytes as BufferSource), { env })
    },
  }
}
