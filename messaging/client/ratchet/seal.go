package ratchet

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"

	"github.com/sottochat/sotto/messaging"
	"github.com/sottochat/sotto/messaging/key"
)

// encrypt is AES-256-CBC with PKCS #7 padding (RFC 5652 section 6.3). The vector
// is derived with the key and used with it once: a message key is never reused.
func (k *messageKeys) encrypt(plaintext []byte) []byte {
	pad := aes.BlockSize - len(plaintext)%aes.BlockSize
	out := make([]byte, len(plaintext)+pad)
	copy(out, plaintext)
	for i := len(plaintext); i < len(out); i++ {
		out[i] = byte(pad)
	}
	cipher.NewCBCEncrypter(k.block(), k.iv[:]).CryptBlocks(out, out)
	return out
}

// decrypt undoes encrypt. It runs only after the MAC was right, so that bad
// padding is the peer's own doing and its timing tells nothing; it is still the
// same error and takes the same steps for each padding.
func (k *messageKeys) decrypt(ciphertext []byte) ([]byte, error) {
	if len(ciphertext) == 0 || len(ciphertext)%aes.BlockSize != 0 {
		return nil, messaging.Invalid(ErrMAC)
	}
	out := make([]byte, len(ciphertext))
	cipher.NewCBCDecrypter(k.block(), k.iv[:]).CryptBlocks(out, ciphertext)
	pad := int(out[len(out)-1])
	good := subtle.ConstantTimeLessOrEq(1, pad) & subtle.ConstantTimeLessOrEq(pad, aes.BlockSize)
	for i := 1; i <= aes.BlockSize; i++ {
		inside := subtle.ConstantTimeLessOrEq(i, pad)
		same := subtle.ConstantTimeByteEq(out[len(out)-i], byte(pad))
		good &= same | (1 - inside)
	}
	if good != 1 {
		return nil, messaging.Invalid(ErrMAC)
	}
	return out[:len(out)-pad], nil
}

func (k *messageKeys) block() cipher.Block {
	block, err := aes.NewCipher(k.cipher[:])
	if err != nil {
		panic("ratchet: AES refuses 32 bytes")
	}
	return block
}

// sum authenticates a message from sender to receiver, both identity keys
// included: it cannot be reflected, nor moved to another pair of devices.
func (k *messageKeys) sum(sender, receiver key.IdentityPublic, signed []byte) (mac [macSize]byte) {
	h := hmac.New(sha256.New, k.mac[:])
	var ends [2 * key.PublicSize]byte
	h.Write(receiver.Append(sender.Append(ends[:0])))
	h.Write(signed)
	var full [sha256.Size]byte
	copy(mac[:], h.Sum(full[:0]))
	return mac
}
