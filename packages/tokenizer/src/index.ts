/** Text to ids and back: byte-level BPE and unigram, training, streaming decoding. */
export {}
