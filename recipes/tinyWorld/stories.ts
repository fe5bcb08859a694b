/** Stories: short scenes to read closely, and tales of a few sentences. */
import { combination, isHeldOut } from './combinations.js'
import { type Part, type Question, type WorldDocument, question } from './document.js'
import { colourOf } from './facts.js'
import { type Dice } from './random.js'
import { ANIMALS, type Language, MOODS, PEOPLE, PLACES, type Person, THINGS, WEATHER, type Word } from './words.js'

/** Somebody puts something somewhere. */
interface Move {
  readonly person: Person
  readonly thing: Word
  readonly place: Word
}

const nameOf = ({ person, thing, place }: Move) => combination('place', person.name, thing.en, place.en)

/** A story with questions about who put what where. In the held-out part, every combination asked about is held out. */
export function story(dice: Dice, language: Language, part: Part): WorldDocument {
  if (part === 'training' && dice.roll(6) === 0) return tale(dice, language)
  const moves = scene(dice, language, part)
  const asked = part === 'heldOut' ? 1 : 1 + dice.roll(2)
  return {
    domain: 'stories',
    language,
    text: moves.map((move) => sentence(dice, language, move)).join(language === 'en' ? ' ' : ''),
    questions: dice.pickSome(['where', 'who', 'what'], asked).map((kind) => about(language, kind, dice.pick(moves))),
    combinations: [
      ...moves.map(nameOf),
      ...(part === 'heldOut' ? [] : moves.map(({ person, thing }) => combination('owner', person.name, thing.en))),
    ],
  }
}

/** Moves of different people, things and places. */
function scene(dice: Dice, language: Language, part: Part): Move[] {
  const count = part === 'heldOut' ? 2 : dice.pick([1, 1, 2, 2, 3])
  const people = dice.pickSome(PEOPLE[language], count)
  const things = dice.pickSome(THINGS, count)
  const places = dice.pickSome(PLACES, count)
  const moves = people.map((person, k) => ({ person, thing: things[k], place: places[k] }))
  const fits =
    part === 'heldOut'
      ? moves.every((move) => isHeldOut(nameOf(move)))
      : !moves.some((move) => isHeldOut(nameOf(move))) && !owners(people, things).some(isHeldOut)
  return fits ? moves : scene(dice, language, part)
}

/** Everybody with everything: whose things are held out in questions of colour and home is never seen with them at all. */
function owners(people: readonly Person[], things: readonly Word[]): string[] {
  return people.flatMap((person) => things.map((thing) => combination('owner', person.name, thing.en)))
}

function sentence(dice: Dice, language: Language, { person, thing, place }: Move): string {
  return language === 'en'
    ? `${person.name} ${dice.pick(['puts', 'leaves', 'hides'])} the ${thing.en} in the ${place.en}.`
    : `${person.name}把${thing.zh}${dice.pick(['放', '留', '藏'])}在${place.zh}里。`
}

function about(language: Language, kind: string, { person, thing, place }: Move): Question {
  switch (kind) {
    case 'where':
      return language === 'en'
        ? question(language, kind, `Where is the ${thing.en}?`, place.en)
        : question(language, kind, `${thing.zh}在哪里？`, place.zh)
    case 'who':
      return language === 'en'
        ? question(language, kind, `Who had the ${thing.en}?`, person.name)
        : question(language, kind, `谁拿过${thing.zh}？`, person.name)
    default:
      return language === 'en'
        ? question(language, kind, `What is in the ${place.en}?`, thing.en)
        : question(language, kind, `${place.zh}里有什么？`, thing.zh)
  }
}

/** A tale: somebody goes somewhere, meets somebody, something happens, and all ends in some mood. No questions. */
function tale(dice: Dice, language: Language): WorldDocument {
  const [place] = dice.pickSome(PLACES, 1)
  const [hero, friend] = dice.pickSome(PEOPLE[language], 2)
  const [thing, other] = dice.pickSome(THINGS, 2)
  const combinations = [
    nameOf({ person: hero, thing, place }),
    nameOf({ person: friend, thing: other, place }),
    combination('phrase', colourOf(language, hero).en, thing.en),
    combination('phrase', colourOf(language, friend).en, other.en),
    ...owners([hero, friend], [thing, other]),
  ]
  if (combinations.some(isHeldOut)) return tale(dice, language)
  const cast = { hero, friend, thing, other, place, animal: dice.pick(ANIMALS) }
  const sky = { weather: dice.pick(WEATHER), mood: dice.pick(MOODS), happening: dice.roll(3) }
  const text = language === 'en' ? englishTale(cast, sky) : chineseTale(cast, sky)
  return { domain: 'stories', language, text, questions: [], combinations }
}

interface Cast {
  readonly hero: Person
  readonly friend: Person
  readonly thing: Word
  readonly other: Word
  readonly place: Word
  readonly animal: Word
}

interface Sky {
  readonly weather: Word
  readonly mood: Word
  readonly happening: number
}

function englishTale({ hero, friend, thing, other, place, animal }: Cast, { weather, mood, happening }: Sky): string {
  const happenings = [
    `They play with the ${thing.en} until noon.`,
    `A ${animal.en} runs away with the ${thing.en}, but ${friend.name} brings it back.`,
    `${friend.name} likes the ${thing.en}, and ${hero.name} likes the ${other.en}.`,
  ]
  return [
    `One ${weather.en} day, ${hero.name} takes the ${colourOf('en', hero).en} ${thing.en} to the ${place.en}.`,
    `There ${hero.pronoun} meets ${friend.name}, who has a ${colourOf('en', friend).en} ${other.en}.`,
    happenings[happening],
    `In the evening ${hero.name} is ${mood.en} and goes home.`,
  ].join(' ')
}

function chineseTale({ hero, friend, thing, other, place, animal }: Cast, { weather, mood, happening }: Sky): string {
  const happenings = [
    `他们一起玩${thing.zh}，一直玩到中午。`,
    `一只${animal.zh}叼走了${thing.zh}，${friend.name}把它追了回来。`,
    `${friend.name}喜欢${thing.zh}，${hero.name}喜欢${other.zh}。`,
  ]
  return [
    `在一个${weather.zh}的日子，${hero.name}带着${colourOf('zh', hero).zh}的${thing.zh}去${place.zh}。`,
    `${hero.pronoun}在那里遇见了${friend.name}，${friend.name}有${colourOf('zh', friend).zh}的${other.zh}。`,
    happenings[happening],
    `晚上${hero.name}觉得很${mood.zh}，就回家了。`,
  ].join('')
}
