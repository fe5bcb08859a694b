/**
 * Reads pickles without running them: opcodes build plain data, and the only calls are those of `globals.ts`.
 * @source the table of opcodes of Python's `pickletools`
 */
import { CheckpointError, quoted } from '../errors.js'
import { callGlobal, isAllowed, storageOf } from './globals.js'
import { PickleReader } from './pickleReader.js'
import { PyDict, PyGlobal, PyRecord, PySet, PyStorage, PyTensor, PyTuple, type PyValue } from './values.js'

/** `weights` stops at any name outside the allow-list; `inspect` makes records of such objects and goes on. */
export type PickleMode = 'weights' | 'inspect'

/** Values on the stack and in the memo, and containers. Real checkpoints stay below a hundredth of this. */
const MOST_VALUES = 2 ** 20

/** Marks the start of a run of values. */
const MARK = Symbol('mark')

/**
 * Reads one pickle.
 * @param file for messages
 * @throws CheckpointError for foreign names (mode `weights`), unknown opcodes and malformed pickles
 */
export function unpickle(file: string, bytes: Uint8Array, mode: PickleMode): PyValue {
  return new Unpickler(file, bytes, mode).run()
}

class Unpickler {
  readonly #file: string
  readonly #mode: PickleMode
  readonly #reader: PickleReader
  readonly #stack: (PyValue | typeof MARK)[] = []
  readonly #memo = new Map<number, PyValue>()
  #containers = 0
  #opcodeAt = 0

  constructor(file: string, bytes: Uint8Array, mode: PickleMode) {
    this.#file = file
    this.#mode = mode
    this.#reader = new PickleReader(file, bytes)
  }

  run(): PyValue {
    for (;;) {
      this.#opcodeAt = this.#reader.at
      const opcode = this.#reader.u8()
      if (opcode === STOP) return this.#pop()
      this.#step(opcode)
      if (this.#stack.length > MOST_VALUES || this.#memo.size > MOST_VALUES || this.#containers > MOST_VALUES)
        this.#fail(`a pickle may hold ${MOST_VALUES} values at a time`, 'more')
    }
  }

  #step(opcode: number): void {
    const reader = this.#reader
    switch (String.fromCharCode(opcode)) {
      case '\x80': // PROTO
        if (reader.u8() > 5) this.#fail('the protocol must be 0 to 5', 'a newer one')
        return
      case '\x95': // FRAME
        reader.u64()
        return
      // Plain values
      case 'N':
        return this.#push(null)
      case '\x88':
        return this.#push(true)
      case '\x89':
        return this.#push(false)
      case 'J':
        return this.#push(reader.i32())
      case 'K':
        return this.#push(reader.u8())
      case 'M':
        return this.#push(reader.u16())
      case '\x8a': // LONG1
        return this.#push(reader.integer(reader.u8()))
      case '\x8b': // LONG4
        return this.#push(reader.integer(reader.u32()))
      case 'G':
        return this.#push(reader.f64())
      case 'I':
        return this.#push(reader.textInteger())
      case 'L':
        return this.#push(reader.textInteger())
      case 'F':
        return this.#push(reader.textFloat())
      // Text and bytes
      case 'U': // SHORT_BINSTRING, of Python 2: bytes that are text in practice
        return this.#push(reader.latin1(reader.u8()))
      case 'T':
        return this.#push(reader.latin1(reader.u32()))
      case 'S':
        return this.#push(reader.quotedLine())
      case 'V':
        return this.#push(reader.unicodeLine())
      case 'X':
        return this.#push(reader.text(reader.u32()))
      case '\x8c':
        return this.#push(reader.text(reader.u8()))
      case '\x8d':
        return this.#push(reader.text(reader.u64()))
      case 'B':
        return this.#push(reader.bytes(reader.u32()))
      case 'C':
        return this.#push(reader.bytes(reader.u8()))
      case '\x8e':
      case '\x96': // BYTEARRAY8
        return this.#push(reader.bytes(reader.u64()))
      // Containers
      case '(':
        this.#stack.push(MARK)
        return
      case ')':
        return this.#push(this.#tuple([]))
      case 't':
        return this.#push(this.#tuple(this.#popMark()))
      case '\x85':
        return this.#push(this.#tuple(this.#popMany(1)))
      case '\x86':
        return this.#push(this.#tuple(this.#popMany(2)))
      case '\x87':
        return this.#push(this.#tuple(this.#popMany(3)))
      case ']':
        return this.#push(this.#contained([]))
      case 'l':
        return this.#push(this.#contained(this.#popMark()))
      case 'a':
        return this.#append([this.#pop()])
      case 'e':
        return this.#append(this.#popMark())
      case '}':
        return this.#push(this.#contained(new PyDict()))
      case 'd': {
        const items = this.#popMark()
        this.#push(this.#contained(new PyDict()))
        return this.#setItems(items)
      }
      case 's':
        return this.#setItems(this.#popMany(2))
      case 'u':
        return this.#setItems(this.#popMark())
      case '\x8f':
        return this.#push(this.#contained(new PySet()))
      case '\x90':
        return this.#addItems(this.#popMark())
      case '\x91':
        return this.#push(this.#contained(new PySet(this.#popMark())))
      // Stack and memo
      case '0':
        if (this.#stack.pop() === undefined) this.#fail('the stack must not be empty', 'nothing to drop')
        return
      case '1':
        this.#popMark()
        return
      case '2': {
        const value = this.#pop()
        this.#push(value)
        return this.#push(value)
      }
      case 'p':
        return this.#remember(Number(reader.textInteger()))
      case 'q':
        return this.#remember(reader.u8())
      case 'r':
        return this.#remember(reader.u32())
      case '\x94':
        return this.#remember(this.#memo.size)
      case 'g':
        return this.#recall(Number(reader.textInteger()))
      case 'h':
        return this.#recall(reader.u8())
      case 'j':
        return this.#recall(reader.u32())
      // Names and objects
      case 'c':
        return this.#push(this.#global(reader.line(), reader.line()))
      case '\x93': {
        const [module, member] = this.#popMany(2)
        if (typeof module !== 'string' || typeof member !== 'string')
          this.#fail('a name must be text', 'something else')
        return this.#push(this.#global(module, member))
      }
      case 'R': {
        const [callee, args] = this.#popMany(2)
        return this.#push(this.#call(callee, args))
      }
      case '\x81': {
        const [type, args] = this.#popMany(2)
        return this.#push(this.#call(type, args))
      }
      case '\x92': {
        const [type, args] = this.#popMany(3)
        return this.#push(this.#call(type, args))
      }
      case 'i': {
        const type = this.#global(reader.line(), reader.line())
        return this.#push(this.#call(type, new PyTuple(this.#popMark())))
      }
      case 'o': {
        const [type = null, ...args] = this.#popMark()
        return this.#push(this.#call(type, new PyTuple(args)))
      }
      case 'b':
        return this.#build(this.#pop())
      case 'Q':
        return this.#push(this.#storage(this.#pop()))
      case 'P':
        return this.#fail('a persistent id must be a tuple', `the text ${quoted(reader.line())}`)
      default:
        return this.#fail('opcodes must be those of protocol 0 to 5 that plain data needs', hex(opcode))
    }
  }

  #push(value: PyValue): void {
    this.#stack.push(value)
  }

  #pop(): PyValue {
    const value = this.#stack.pop()
    if (value === undefined || value === MARK) this.#fail('a value must be on the stack', 'none')
    return value
  }

  #popMany(count: number): PyValue[] {
    return Array.from({ length: count }, () => this.#pop()).reverse()
  }

  #popMark(): PyValue[] {
    const at = this.#stack.lastIndexOf(MARK)
    if (at < 0) this.#fail('a mark must be on the stack', 'none')
    const values = this.#stack.splice(at + 1) as PyValue[]
    this.#stack.pop()
    return values
  }

  #contained<T extends PyValue>(value: T): T {
    this.#containers++
    return value
  }

  #tuple(items: PyValue[]): PyTuple {
    return this.#contained(new PyTuple(items))
  }

  #remember(index: number): void {
    const value = this.#pop()
    this.#push(value)
    this.#memo.set(index, value)
  }

  #recall(index: number): void {
    const value = this.#memo.get(index)
    if (value === undefined) this.#fail('a remembered value must have been stored', `number ${index}`)
    this.#push(value)
  }

  #append(items: PyValue[]): void {
    const target = this.#pop()
    const list = Array.isArray(target) ? target : target instanceof PyRecord ? target.items : undefined
    if (list === undefined) this.#fail('values may be appended to lists', kindOf(target))
    for (const item of items) list.push(item)
    this.#containers += items.length
    this.#push(target)
  }

  #setItems(items: PyValue[]): void {
    const target = this.#pop()
    const dict = target instanceof PyDict ? target : target instanceof PyRecord ? target.dict : undefined
    if (dict === undefined) this.#fail('items may be set in dictionaries', kindOf(target))
    if (items.length % 2 !== 0) this.#fail('items must be pairs', `${items.length} values`)
    for (let k = 0; k < items.length; k += 2) dict.entries.push([items[k], items[k + 1]])
    this.#containers += items.length / 2
    this.#push(target)
  }

  #addItems(items: PyValue[]): void {
    const target = this.#pop()
    if (!(target instanceof PySet)) this.#fail('values may be added to sets', kindOf(target))
    for (const item of items) target.items.push(item)
    this.#containers += items.length
    this.#push(target)
  }

  #global(module: string, member: string): PyGlobal {
    const global = new PyGlobal(module, member)
    if (this.#mode === 'weights' && !isAllowed(global))
      this.#fail(
        'weights may only use the names that rebuild tensors',
        `${quoted(global.path)}, which could run foreign code when loaded elsewhere`,
        'if you trust the file, look into it with mode "inspect"; better get a safetensors version',
      )
    return this.#contained(global)
  }

  /** A call of an allowed name, or a record of a call that does not take place. */
  #call(callee: PyValue, args: PyValue): PyValue {
    if (!(callee instanceof PyGlobal)) this.#fail('only names may be called', kindOf(callee))
    if (!(args instanceof PyTuple)) this.#fail('arguments must be a tuple', kindOf(args))
    const result = callGlobal(callee, args.items)
    if (result instanceof PyDict) this.#containers += result.entries.length
    if (result !== undefined) return this.#contained(result)
    if (this.#mode === 'inspect' && !isAllowed(callee)) return this.#contained(new PyRecord(callee.path, args.items))
    return this.#fail(`arguments of ${callee.path} must fit it`, args.items.map(kindOf).join(', ') || 'none', undefined)
  }

  /** State of an object. That of dictionaries (`_metadata` of modules) and tensors is of no use here. */
  #build(state: PyValue): void {
    const target = this.#pop()
    if (target instanceof PyRecord) target.state = state
    else if (!(target instanceof PyDict) && !(this.#mode === 'inspect' && target instanceof PyTensor))
      this.#fail('state may be given to dictionaries', kindOf(target))
    this.#push(target)
  }

  #storage(id: PyValue): PyStorage {
    const storage = storageOf(id)
    if (storage !== undefined) return this.#contained(storage)
    return this.#fail(
      "a persistent id must be ('storage', torch.XStorage, key, location, elements)",
      id instanceof PyTuple ? id.items.map(kindOf).join(', ') : kindOf(id),
    )
  }

  #fail(rule: string, got: string, wayOut?: string): never {
    throw new CheckpointError({ file: this.#file, rule: `pickle, byte ${this.#opcodeAt}: ${rule}`, got, wayOut })
  }
}

const STOP = 0x2e

/** A value in messages. */
function kindOf(value: PyValue): string {
  if (value instanceof PyGlobal) return value.path
  if (value instanceof PyRecord) return `a ${value.path}`
  if (value instanceof PyTensor) return `a tensor of shape [${value.shape.join(', ')}]`
  if (value instanceof PyStorage) return `a storage of ${value.elements} ${value.dtype}`
  if (value instanceof PyTuple)
    return `(${value.items
      .slice(0, 8)
      .map((item) => (item instanceof PyTuple ? '(…)' : kindOf(item)))
      .join(', ')})`
  if (value instanceof PyDict) return 'a dictionary'
  if (value instanceof PySet) return 'a set'
  if (value instanceof Uint8Array) return `${value.length} bytes`
  if (Array.isArray(value)) return 'a list'
  return typeof value === 'string' ? quoted(value) : String(value)
}

function hex(opcode: number): string {
  return `0x${opcode.toString(16).padStart(2, '0')}`
}
