package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
)

// masterKeys returns the platform's master key in the form of the server's
// setting, made at the first run.
func (h *home) masterKeys() (string, error) {
	b, err := h.keep("master.key", func() ([]byte, error) {
		key := make([]byte, 32)
		rand.Read(key) // never fails (crypto/rand)
		return []byte("dev:" + base64.StdEncoding.EncodeToString(key)), nil
	})
	return string(b), err
}

// handOffKey returns the key with which the demo host signs its members over, a
// PKCS #8 file as a host would keep it.
func (h *home) handOffKey() (ed25519.PrivateKey, error) {
	const name = "handoff.key"
	b, err := h.keep(name, func() ([]byte, error) {
		_, key, err := ed25519.GenerateKey(nil)
		if err != nil {
			return nil, err
		}
		der, err := x509.MarshalPKCS8PrivateKey(key)
		return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), err
	})
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return nil, errors.New("handoff.key: expected a PEM block; --reset makes a new key")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	key, ok := parsed.(ed25519.PrivateKey)
	if err != nil || !ok {
		return nil, errors.New("handoff.key: expected an Ed25519 key; --reset makes a new one")
	}
	return key, nil
}
