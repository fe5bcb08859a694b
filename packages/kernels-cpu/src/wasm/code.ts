/** Builds the body of one WebAssembly function. */
import { floatBits, unsigned, word } from './bytes.js'
import { ATOMIC, I32, INT, SIMD, V128, VOID, type ValueType } from './opcodes.js'

/** Position of a block in the nesting; `branch` turns it into a relative depth. */
export type Label = number

/** A function body under construction. Locals come from pools, so that short-lived ones share an index. */
export class Code {
  #bytes = new Uint8Array(1024)
  #length = 0
  readonly #locals: ValueType[] = []
  readonly #free = new Map<ValueType, number[]>()
  readonly #constants = new Map<number, number>()
  #depth = 0

  constructor(readonly parameters: number) {}

  /** A local that holds nothing of interest yet (it may have been used before). */
  allocate(type: ValueType): number {
    const reused = this.#free.get(type)?.pop()
    if (reused !== undefined) return reused
    this.#locals.push(type)
    return this.parameters + this.#locals.length - 1
  }

  /** Gives a local back to its pool. */
  release(local: number): void {
    const type = this.#locals[local - this.parameters]
    const pool = this.#free.get(type)
    if (pool) pool.push(local)
    else this.#free.set(type, [local])
  }

  /** One byte of the body. */
  byte(value: number): void {
    if (this.#length === this.#bytes.length) {
      const grown = new Uint8Array(2 * this.#length)
      grown.set(this.#bytes)
      this.#bytes = grown
    }
    this.#bytes[this.#length++] = value
  }

  emit(...bytes: number[]): void {
    for (const value of bytes) this.byte(value)
  }

  #unsigned(value: number): void {
    let rest = value >>> 0
    while (rest > 0x7f) {
      this.byte((rest & 0x7f) | 0x80)
      rest >>>= 7
    }
    this.byte(rest)
  }

  #signed(value: number): void {
    let rest = value | 0
    while (rest < -64 || rest > 63) {
      this.byte((rest & 0x7f) | 0x80)
      rest >>= 7
    }
    this.byte(rest & 0x7f)
  }

  /** An instruction of one byte with an index or offset behind it. */
  #indexed(op: number, index: number): void {
    this.byte(op)
    if (index >= 0 && index < 0x80) this.byte(index)
    else this.#unsigned(index)
  }

  get(local: number): void {
    this.#indexed(0x20, local)
  }

  set(local: number): void {
    this.#indexed(0x21, local)
  }

  tee(local: number): void {
    this.#indexed(0x22, local)
  }

  drop(): void {
    this.emit(0x1a)
  }

  i32(value: number): void {
    this.byte(0x41)
    this.#signed(value)
  }

  int(op: keyof typeof INT): void {
    this.byte(INT[op])
  }

  /** A binary integer instruction with a constant on the right; nothing where it changes nothing. */
  intWith(op: 'add' | 'mul', value: number): void {
    if ((op === 'add' && value === 0) || (op === 'mul' && value === 1)) return
    if (op === 'mul' && value > 0 && (value & (value - 1)) === 0) {
      this.i32(Math.log2(value))
      this.int('shl')
      return
    }
    this.i32(value)
    this.int(op)
  }

  i32Load(offset: number): void {
    this.byte(0x28)
    this.#indexed(2, offset)
  }

  i32Store(offset: number): void {
    this.byte(0x36)
    this.#indexed(2, offset)
  }

  f64Store(offset: number): void {
    this.byte(0x39)
    this.#indexed(3, offset)
  }

  simd(op: keyof typeof SIMD): void {
    this.#indexed(0xfd, SIMD[op])
  }

  simdLane(op: 'i32Extract' | 'i32Replace' | 'f32Extract', lane: number): void {
    this.simd(op)
    this.emit(lane)
  }

  /** A SIMD load or store; alignment is declared as one byte since views may start anywhere. */
  simdMemory(op: keyof typeof SIMD, offset: number, lane?: number): void {
    this.simd(op)
    this.#indexed(0, offset)
    if (lane !== undefined) this.byte(lane)
  }

  /**
   * The same 32 bits in all four lanes. The vector is made once at the start of the function and kept in a local:
   * V8 builds a constant anew at every use, two or three instructions each.
   */
  splatBits(bits: number): void {
    const key = bits | 0
    if (key === 0 || key === -1) return this.words(key, key, key, key)
    const known = this.#constants.get(key)
    if (known !== undefined) return this.get(known)
    this.#locals.push(V128)
    const local = this.parameters + this.#locals.length - 1
    this.#constants.set(key, local)
    this.get(local)
  }

  splatFloat(value: number): void {
    this.splatBits(floatBits(value))
  }

  words(...bits: readonly [number, number, number, number]): void {
    this.simd('const')
    for (const lane of bits) this.emit(...word(lane))
  }

  shuffle(lanes: readonly number[]): void {
    this.simd('shuffle')
    this.emit(...lanes)
  }

  /** Shuffle of 32-bit lanes: 0–3 of the first, 4–7 of the second operand. */
  shuffleWords(a: number, b: number, c: number, d: number): void {
    this.shuffle([a, b, c, d].flatMap((lane) => [4 * lane, 4 * lane + 1, 4 * lane + 2, 4 * lane + 3]))
  }

  atomic(op: keyof typeof ATOMIC, offset = 0): void {
    this.byte(0xfe)
    this.byte(ATOMIC[op])
    this.#indexed(2, offset)
  }

  block(type: ValueType | typeof VOID = VOID): Label {
    this.emit(0x02, type)
    return this.#depth++
  }

  loop(): Label {
    this.emit(0x03, VOID)
    return this.#depth++
  }

  if(type: ValueType | typeof VOID = VOID): Label {
    this.emit(0x04, type)
    return this.#depth++
  }

  else(): void {
    this.emit(0x05)
  }

  end(): void {
    this.emit(0x0b)
    this.#depth--
  }

  branch(label: Label): void {
    this.#indexed(0x0c, this.#depth - 1 - label)
  }

  branchIf(label: Label): void {
    this.#indexed(0x0d, this.#depth - 1 - label)
  }

  return(): void {
    this.emit(0x0f)
  }

  call(functionIndex: number): void {
    this.#indexed(0x10, functionIndex)
  }

  callIndirect(typeIndex: number): void {
    this.emit(0x11, ...unsigned(typeIndex), 0)
  }

  memoryCopy(): void {
    this.emit(0xfc, 10, 0, 0)
  }

  /** Address, value of a byte, bytes. */
  memoryFill(): void {
    this.emit(0xfc, 11, 0)
  }

  /** `body` for `local` = its present value, while local < limit (unsigned), in steps. Nothing runs when it starts at the limit. */
  countedLoop(local: number, limit: () => void, step: number, body: () => void): void {
    const exit = this.block()
    const again = this.loop()
    this.get(local)
    limit()
    this.int('geU')
    this.branchIf(exit)
    body()
    this.get(local)
    this.i32(step)
    this.int('add')
    this.set(local)
    this.branch(again)
    this.end()
    this.end()
  }

  /** The encoded body: declarations of locals, instructions, end. */
  finish(): Uint8Array {
    const groups: number[] = []
    let count = 0
    for (let i = 0; i < this.#locals.length;) {
      let end = i
      while (end < this.#locals.length && this.#locals[end] === this.#locals[i]) end++
      groups.push(...unsigned(end - i), this.#locals[i])
      count++
      i = end
    }
    const head = [...unsigned(count), ...groups, ...this.#constantCode()]
    const body = new Uint8Array(head.length + this.#length + 1)
    body.set(head)
    body.set(this.#bytes.subarray(0, this.#length), head.length)
    body[body.length - 1] = 0x0b
    return body
  }

  #constantCode(): number[] {
    const bytes: number[] = []
    for (const [bits, local] of this.#constants) {
      const lane = word(bits)
      bytes.push(0xfd, SIMD.const, ...lane, ...lane, ...lane, ...lane, 0x21, ...unsigned(local))
    }
    return bytes
  }
}

export { I32, V128 }
