/**
 * Learns merges: the most frequent pair of neighbours becomes a token, again and again. Counts change only where a merge takes place,
 * and each pair knows its places, so a step costs as much as the pair is frequent.
 *
 * No two merges spell the same text: between two borders of tokens nothing outside has had a part in the merges so far, so a text that
 * stands between borders is always cut in the same way.
 */
import { ABSENT } from '../pairTable.js'
import { withRoom } from '../pieceTable.js'
import { PairHeap } from './pairHeap.js'
import { PairList } from './pairList.js'
import { BORDER, type Words } from './words.js'

/** Symbols of single bytes come first, then one per merge. */
const BYTES = 256

/** Limits of training. */
export interface MergeOptions {
  /** How many merges are wanted. */
  readonly merges: number
  /** Pairs that are met less often are no tokens; at least 1. */
  readonly minFrequency: number
  /** Longer tokens are not made. */
  readonly maxTokenBytes: number
  /** What a byte's symbol looks like as a token. */
  readonly byteTokens: readonly string[]
}

/** New neighbours of the token of one step on one side, by symbol. */
interface Side {
  /** Weighted number of places that lost the old pair with this neighbour, and that gained the new one. */
  readonly lost: Float64Array
  readonly gained: Float64Array
  /** Unweighted number of gained places. */
  readonly events: Int32Array
  /** The step in which the symbol was last a neighbour. */
  readonly step: Int32Array
  readonly touched: number[]
}

/** Training in steps: one merge each. */
export class MergeTrainer {
  /** The pairs of symbols that were merged, in order. */
  readonly merges: (readonly [left: number, right: number])[] = []
  readonly #words: Words
  readonly #options: MergeOptions
  readonly #pairs: PairList
  readonly #heap = new PairHeap()
  /** Bytes of each symbol's token. */
  readonly #lengths: Int32Array
  readonly #tokens: string[]
  readonly #before: Side
  readonly #after: Side
  /** Of the gained places of a step: the neighbour, as -1 - symbol when it stands before, and the place of the pair. */
  #eventSymbols = new Int32Array(1 << 10)
  #eventPlaces = new Int32Array(1 << 10)

  constructor(words: Words, options: MergeOptions) {
    this.#words = words
    this.#options = options
    const symbols = BYTES + options.merges
    this.#lengths = new Int32Array(symbols).fill(1, 0, BYTES)
    this.#tokens = [...options.byteTokens]
    this.#before = sideOf(symbols)
    this.#after = sideOf(symbols)
    this.#pairs = listBytePairs(words, options.minFrequency)
    for (let pair = 0; pair < this.#pairs.size; pair++) this.#heap.push(pair, this.#pairs.counts[pair], this.#pairs)
  }

  /** The token of every symbol so far. */
  get tokens(): readonly string[] {
    return this.#tokens
  }

  /** Makes one more merge. @returns false when there are enough, or no pair is frequent enough */
  step(): boolean {
    if (this.merges.length >= this.#options.merges) return false
    const pair = this.#mostFrequent()
    if (pair < 0) return false
    const left = this.#pairs.left[pair]
    const right = this.#pairs.right[pair]
    const symbol = this.#tokens.length
    this.#tokens.push(this.#tokens[left] + this.#tokens[right])
    this.#lengths[symbol] = this.#lengths[left] + this.#lengths[right]
    this.merges.push([left, right])
    const events = this.#merge(pair, symbol)
    this.#pairs.drop(pair)
    this.#lower(left, right)
    this.#list(symbol, events)
    return true
  }

  /** The most frequent pair that may become a token, or -1. Counts in the queue are old ones: they have only fallen since. */
  #mostFrequent(): number {
    const { minFrequency, maxTokenBytes } = this.#options
    const pairs = this.#pairs
    const heap = this.#heap
    while (heap.size > 0) {
      const pair = heap.topPair
      const stored = heap.topCount
      heap.pop(pairs)
      const count = pairs.counts[pair]
      if (count < minFrequency) continue
      if (count !== stored) heap.push(pair, count, pairs)
      else if (this.#lengths[pairs.left[pair]] + this.#lengths[pairs.right[pair]] <= maxTokenBytes) return pair
      else pairs.drop(pair)
    }
    return -1
  }

  /** Joins the pair wherever it still stands. @returns the number of places that gained a neighbour */
  #merge(pair: number, symbol: number): number {
    const { symbols, wordOf, counts } = this.#words
    const words = this.#words
    const { places } = this.#pairs
    const left = this.#pairs.left[pair]
    const right = this.#pairs.right[pair]
    const leftLength = this.#lengths[left]
    const length = this.#lengths[symbol]
    const end = this.#pairs.starts[pair] + this.#pairs.lengths[pair]
    const step = this.merges.length
    let events = 0
    for (let k = this.#pairs.starts[pair]; k < end; k++) {
      const place = places[k]
      if (symbols[place] !== left || symbols[place + leftLength] !== right) continue
      const weight = counts[wordOf[place]]
      const before = words.before(place)
      const after = symbols[place + length]
      words.join(place, place + leftLength, place + length, symbol)
      this.#reserveEvents(events + 2)
      if (before >= 0) {
        const neighbour = symbols[before]
        touch(this.#before, neighbour, step)
        // The neighbour is a token of this very step: the pair that goes was gained a moment ago.
        if (neighbour === symbol) this.#after.gained[left] -= weight
        else this.#before.lost[neighbour] += weight
        this.#before.gained[neighbour] += weight
        this.#before.events[neighbour]++
        this.#eventSymbols[events] = -1 - neighbour
        this.#eventPlaces[events++] = before
      }
      if (after !== BORDER) {
        touch(this.#after, after, step)
        this.#after.lost[after] += weight
        this.#after.gained[after] += weight
        this.#after.events[after]++
        this.#eventSymbols[events] = after
        this.#eventPlaces[events++] = place
      }
    }
    return events
  }

  /** Takes from the pairs (neighbour, left) and (right, neighbour) what the step took from them. */
  #lower(left: number, right: number): void {
    const { counts } = this.#pairs
    for (const neighbour of this.#before.touched) {
      const pair = this.#pairs.find(neighbour, left)
      if (pair !== ABSENT && !this.#pairs.isDropped(pair)) counts[pair] -= this.#before.lost[neighbour]
    }
    for (const neighbour of this.#after.touched) {
      const pair = this.#pairs.find(right, neighbour)
      if (pair !== ABSENT && !this.#pairs.isDropped(pair)) counts[pair] -= this.#after.lost[neighbour]
    }
  }

  /** Lists the pairs of the new token with its neighbours, those that are frequent enough: counts never rise again. */
  #list(symbol: number, events: number): void {
    const { minFrequency } = this.#options
    const pairs = this.#pairs
    let room = 0
    for (const side of [this.#before, this.#after]) {
      for (const neighbour of side.touched) if (side.gained[neighbour] >= minFrequency) room += side.events[neighbour]
    }
    pairs.ensureRoom(room, (pair, place) => this.#stands(pair, place))
    this.#number(this.#before, (neighbour, count, places) => pairs.add(neighbour, symbol, count, places))
    this.#number(this.#after, (neighbour, count, places) => pairs.add(symbol, neighbour, count, places))
    for (let k = 0; k < events; k++) {
      const neighbour = this.#eventSymbols[k]
      const pair = neighbour < 0 ? this.#before.events[-1 - neighbour] : this.#after.events[neighbour]
      const place = this.#eventPlaces[k]
      if (pair >= 0 && this.#stands(pair, place)) pairs.places[pairs.starts[pair] + pairs.lengths[pair]++] = place
    }
    forget(this.#before)
    forget(this.#after)
  }

  /** Puts the number of the new pair of each neighbour where its number of places was; -1 for pairs that are too rare. */
  #number(side: Side, add: (neighbour: number, count: number, places: number) => number): void {
    for (const neighbour of side.touched) {
      const count = side.gained[neighbour]
      if (count < this.#options.minFrequency) {
        side.events[neighbour] = -1
      } else {
        const pair = add(neighbour, count, side.events[neighbour])
        side.events[neighbour] = pair
        this.#heap.push(pair, count, this.#pairs)
      }
    }
  }

  #stands(pair: number, place: number): boolean {
    const { symbols } = this.#words
    const left = this.#pairs.left[pair]
    return symbols[place] === left && symbols[place + this.#lengths[left]] === this.#pairs.right[pair]
  }

  #reserveEvents(count: number): void {
    this.#eventSymbols = withRoom(this.#eventSymbols, count)
    this.#eventPlaces = withRoom(this.#eventPlaces, count)
  }
}

function sideOf(symbols: number): Side {
  return {
    lost: new Float64Array(symbols),
    gained: new Float64Array(symbols),
    events: new Int32Array(symbols),
    step: new Int32Array(symbols).fill(-1),
    touched: [],
  }
}

function touch(side: Side, neighbour: number, step: number): void {
  if (side.step[neighbour] === step) return
  side.step[neighbour] = step
  side.touched.push(neighbour)
}

function forget(side: Side): void {
  for (const neighbour of side.touched) side.lost[neighbour] = side.gained[neighbour] = side.events[neighbour] = 0
  side.touched.length = 0
}

/** All pairs of bytes that are frequent enough, with their places. */
function listBytePairs({ symbols, wordOf, counts }: Words, minFrequency: number): PairList {
  const weights = new Float64Array(BYTES * BYTES)
  const rooms = new Int32Array(BYTES * BYTES)
  let total = 0
  for (let place = 1; place < symbols.length - 1; place++) {
    if (symbols[place] === BORDER || symbols[place + 1] === BORDER) continue
    const key = symbols[place] * BYTES + symbols[place + 1]
    weights[key] += counts[wordOf[place]]
    rooms[key]++
    total++
  }
  const list = new PairList(Math.ceil(1.25 * total))
  const numbers = new Int32Array(BYTES * BYTES).fill(-1)
  for (let key = 0; key < weights.length; key++) {
    if (rooms[key] > 0 && weights[key] >= minFrequency)
      numbers[key] = list.add(Math.floor(key / BYTES), key % BYTES, weights[key], rooms[key])
  }
  for (let place = 1; place < symbols.length - 1; place++) {
    if (symbols[place] === BORDER || symbols[place + 1] === BORDER) continue
    const pair = numbers[symbols[place] * BYTES + symbols[place + 1]]
    if (pair >= 0) list.places[list.starts[pair] + list.lengths[pair]++] = place
  }
  return list
}
