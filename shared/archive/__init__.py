"""What outlives the stream: proofs that the store is unaltered, exports, restoring, rebuilding, letting go."""
