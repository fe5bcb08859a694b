import { example } from './example.js'

console.log(JSON.stringify(await example()))
