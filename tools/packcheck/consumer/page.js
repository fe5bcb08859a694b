import { example } from './example.js'
import { livelyPage } from './livelyPage.js'

// Reports the results, or why there are none, to the server that the page came from.
const result = await report().then(
  (value) => ({ value }),
  (error) => ({ error: String(error?.stack ?? error) }),
)
document.title = JSON.stringify(result)
await fetch('/result', { method: 'POST', body: JSON.stringify(result) })

async function report() {
  return { example: await example(), lively: await livelyPage() }
}
