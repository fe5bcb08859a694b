import { example } from './example.js'

// Reports the example's result, or why there is none, to the server that the page came from.
const result = await example().then(
  (value) => ({ value }),
  (error) => ({ error: String(error?.stack ?? error) }),
)
document.title = JSON.stringify(result)
await fetch('/result', { method: 'POST', body: JSON.stringify(result) })
