/** What is always so in the tiny world. A model has to learn it; no text says it of every combination. */
import { ANIMALS, COLOURS, type Language, PEOPLE, PLACES, type Person, THINGS, type Word } from './words.js'

/** Everything that somebody owns has one colour. */
export function colourOf(language: Language, person: Person): Word {
  return COLOURS[(PEOPLE[language].indexOf(person) * 5 + 3) % COLOURS.length]
}

/** Everybody keeps everything at home. */
export function homeOf(language: Language, person: Person): Word {
  return PLACES[(PEOPLE[language].indexOf(person) * 7 + 2) % PLACES.length]
}

/** Things and animals from the smallest to the largest: two things, one animal, and so on. */
export const BY_SIZE: readonly Word[] = ANIMALS.flatMap((animal, k) => [THINGS[2 * k], THINGS[2 * k + 1], animal])
