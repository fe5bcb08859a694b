/** Tools for tests of tensors and backends. */
export { interpret, type Bindings, type InterpretOptions } from './interpret.js'
