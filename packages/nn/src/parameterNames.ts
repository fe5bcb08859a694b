/** Names of parameters: the path of a tensor in its tree, spelt as in checkpoints. */

/** `layers[0].weight` → `layers.0.weight`. */
export function parameterName(path: string): string {
  return path.replace(/\[(\d+)\]/g, (_bracket, index: string) => `.${index}`).replace(/^\./, '')
}
