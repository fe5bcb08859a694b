/** What the bench uses of transformers.js, so that the repository type-checks without the peers installed. */
declare module '@huggingface/transformers' {
  export class PreTrainedTokenizer {
    constructor(tokenizer: unknown, config: unknown)
    encode(text: string): number[]
    decode(ids: number[], options: { clean_up_tokenization_spaces: boolean }): string
  }
}
