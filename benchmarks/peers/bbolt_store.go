// bbolt as a wallet daemon's session store uses it: nested buckets, and one transaction for each
// change, with syncs of its own.
//
//	session   public key -> a bucket of attributes: label, principal, and so on
//	id-index  alias -> a bucket: "key" -> public key, "group" -> group
//	group-id-index  group -> a bucket: "session-id" -> a bucket: sequence -> alias
//
// It has no index by principal, database or deadline: the daemon reads all sessions and picks. So a
// creation does less here than elsewhere. Opening reads them all too, and derives each public key.

package main

import (
	"bytes"
	"crypto/cipher"
	cryptorand "crypto/rand"
	"encoding/binary"
	"errors"
	"time"

	bolt "go.etcd.io/bbolt"
	"golang.org/x/crypto/curve25519"
)

var (
	sessionBucket = []byte("session")
	idIndex       = []byte("id-index")
	groupIndex    = []byte("group-id-index")
	groupMembers  = []byte("session-id")
	keyOfID       = []byte("key")
	groupOfID     = []byte("group")

	aliasField      = []byte("alias")
	labelField      = []byte("label")
	principalField  = []byte("principal")
	databaseField   = []byte("database")
	createdField    = []byte("created")
	expiryField     = []byte("expiry")
	privateField    = []byte("private-key")
	generationField = []byte("generation")
	lastUsedField   = []byte("last-used")
)

const (
	keyBytes    = curve25519.ScalarSize
	aliasEpoch  = 1577836800000      // 2020-01-01, in milliseconds
	counterBits = 22                 // of an alias, below the milliseconds
	sealedBytes = 12 + keyBytes + 16 // nonce, private key, tag
)

type keyPair struct {
	public  []byte
	private []byte
}

func newKeyPair() (keyPair, error) {
	private := make([]byte, keyBytes)
	if _, err := cryptorand.Read(private); err != nil {
		return keyPair{}, err
	}
	public, err := curve25519.X25519(private, curve25519.Basepoint)
	return keyPair{public, private}, err
}

// session is what the store is asked to keep, and gives back.
type session struct {
	alias      uint64
	label      []byte
	principal  []byte
	database   []byte
	created    uint64 // microseconds
	expiry     uint64
	generation uint64
	lastUsed   uint64
	public     []byte
	private    []byte
}

func number(value uint64) []byte {
	return binary.BigEndian.AppendUint64(nil, value)
}

// boltStore is safe for many goroutines.
type boltStore struct {
	db     *bolt.DB
	sealer cipher.AEAD
}

func openBolt(path string, sealer cipher.AEAD) (*boltStore, error) {
	db, err := bolt.Open(path, 0600, &bolt.Options{Timeout: 5 * time.Second})
	if err != nil {
		return nil, err
	}
	err = db.Update(func(tx *bolt.Tx) error {
		for _, name := range [][]byte{sessionBucket, idIndex, groupIndex} {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		return nil
	})
	return &boltStore{db, sealer}, err
}

func (s *boltStore) seal(pair keyPair) ([]byte, error) {
	sealed := make([]byte, s.sealer.NonceSize(), sealedBytes)
	if _, err := cryptorand.Read(sealed); err != nil {
		return nil, err
	}
	return s.sealer.Seal(sealed, sealed, pair.private, pair.public), nil
}

func (s *boltStore) unseal(sealed, public []byte) ([]byte, error) {
	nonce := s.sealer.NonceSize()
	if len(sealed) != sealedBytes {
		return nil, errors.New("damaged private key")
	}
	return s.sealer.Open(nil, sealed[:nonce], sealed[nonce:], public)
}

// create gives the session an alias and writes it, in a transaction of its own.
func (s *boltStore) create(made *session) error {
	return s.db.Update(func(tx *bolt.Tx) error { return insert(tx, made) })
}

// insert takes max(now, last given + 1) for the alias, and refuses a public key that is in use.
func insert(tx *bolt.Tx, made *session) error {
	ids := tx.Bucket(idIndex)
	made.alias = uint64(time.Now().UnixMilli()-aliasEpoch) << counterBits
	if last := ids.Sequence(); made.alias <= last {
		made.alias = last + 1
	}
	if err := ids.SetSequence(made.alias); err != nil {
		return err
	}
	if err := putSession(tx, made); err != nil {
		return err
	}
	alias := number(made.alias)
	indexed, err := ids.CreateBucket(alias)
	if err != nil {
		return err
	}
	if err := indexed.Put(keyOfID, made.public); err != nil {
		return err
	}
	if err := indexed.Put(groupOfID, alias); err != nil { // the first of a group of its own
		return err
	}
	return joinGroup(tx, alias, alias)
}

func putSession(tx *bolt.Tx, made *session) error {
	attributes, err := tx.Bucket(sessionBucket).CreateBucket(made.public) // refuses one in use
	if err != nil {
		return err
	}
	for _, field := range []struct{ name, value []byte }{
		{aliasField, number(made.alias)},
		{labelField, made.label},
		{principalField, made.principal},
		{databaseField, made.database},
		{createdField, number(made.created)},
		{expiryField, number(made.expiry)},
		{privateField, made.private},
		{generationField, number(made.generation)},
		{lastUsedField, number(made.lastUsed)},
	} {
		if err := attributes.Put(field.name, field.value); err != nil {
			return err
		}
	}
	return nil
}

func joinGroup(tx *bolt.Tx, group, alias []byte) error {
	bucket, err := tx.Bucket(groupIndex).CreateBucketIfNotExists(group)
	if err != nil {
		return err
	}
	members, err := bucket.CreateBucketIfNotExists(groupMembers)
	if err != nil {
		return err
	}
	sequence, err := members.NextSequence()
	if err != nil {
		return err
	}
	return members.Put(number(sequence), alias)
}

var errNoSession = errors.New("no such session")

func attributesOf(tx *bolt.Tx, alias uint64) (*bolt.Bucket, []byte, error) {
	indexed := tx.Bucket(idIndex).Bucket(number(alias))
	if indexed == nil {
		return nil, nil, errNoSession
	}
	public := indexed.Get(keyOfID)
	attributes := tx.Bucket(sessionBucket).Bucket(public)
	if attributes == nil {
		return nil, nil, errNoSession
	}
	return attributes, public, nil
}

// read copies a session out of its bucket, since what bbolt gives ends with the transaction.
func read(attributes *bolt.Bucket, public []byte) session {
	text := func(field []byte) []byte { return append([]byte(nil), attributes.Get(field)...) }
	value := func(field []byte) uint64 { return binary.BigEndian.Uint64(attributes.Get(field)) }
	return session{
		alias:      value(aliasField),
		label:      text(labelField),
		principal:  text(principalField),
		database:   text(databaseField),
		created:    value(createdField),
		expiry:     value(expiryField),
		generation: value(generationField),
		lastUsed:   value(lastUsedField),
		public:     append([]byte(nil), public...),
		private:    text(privateField),
	}
}

func (s *boltStore) find(alias uint64) (session, error) {
	var found session
	err := s.db.View(func(tx *bolt.Tx) error {
		attributes, public, err := attributesOf(tx, alias)
		if err != nil {
			return err
		}
		found = read(attributes, public)
		return nil
	})
	return found, err
}

func (s *boltStore) findKey(public []byte) (session, error) {
	var found session
	err := s.db.View(func(tx *bolt.Tx) error {
		attributes := tx.Bucket(sessionBucket).Bucket(public)
		if attributes == nil {
			return errNoSession
		}
		found = read(attributes, public)
		return nil
	})
	return found, err
}

var errStale = errors.New("another generation")

// turn moves the session from this generation to the next.
func (s *boltStore) turn(alias, generation uint64) error {
	return s.db.Update(func(tx *bolt.Tx) error {
		attributes, _, err := attributesOf(tx, alias)
		if err != nil {
			return err
		}
		if !bytes.Equal(attributes.Get(generationField), number(generation)) {
			return errStale
		}
		if err := attributes.Put(generationField, number(generation+1)); err != nil {
			return err
		}
		return attributes.Put(lastUsedField, number(uint64(time.Now().UnixMicro())))
	})
}

// loadAll reads every session, and derives its public key from its private one.
func (s *boltStore) loadAll() (int, error) {
	count := 0
	err := s.db.View(func(tx *bolt.Tx) error {
		all := tx.Bucket(sessionBucket)
		return all.ForEach(func(public, _ []byte) error {
			found := read(all.Bucket(public), public)
			private, err := s.unseal(found.private, public)
			if err != nil {
				return err
			}
			if found.public, err = curve25519.X25519(private, curve25519.Basepoint); err != nil {
				return err
			}
			count++
			return nil
		})
	})
	return count, err
}
