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
	"crypto/aes"
	"crypto/cipher"
	cryptorand "crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"
	"golang.org/x/crypto/curve25519"
)

var bboltVersion string // of the package that it was built with

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
	keyBytes     = curve25519.ScalarSize
	fillBatch    = 10000                // sessions in a transaction of the filling
	aliasEpoch   = 1577836800000        // 2020-01-01, in milliseconds
	counterBits  = 22                   // of an alias, below the milliseconds
	lifetime     = 365 * 24 * time.Hour // of a session
	databases    = 20                   // that sessions are on
	perPrincipal = 4                    // sessions, about
	sealedBytes  = 12 + keyBytes + 16   // nonce, private key, tag
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

// filledSession is what is remembered of a session that was filled, to ask for it.
type filledSession struct {
	alias      uint64
	generation uint64 // of the caller whose turn it is: callers share no session
	public     []byte
}

// boltPeer measures a boltStore.
type boltPeer struct {
	chosen  options
	store   *boltStore
	filled  []filledSession
	created int64 // atomic: since then
}

func (p *boltPeer) name() string    { return "bbolt" }
func (p *boltPeer) version() string { return "bbolt " + bboltVersion + ", " + runtime.Version() }
func (p *boltPeer) path() string    { return filepath.Join(p.chosen.folder, "session.db") }
func (p *boltPeer) close() error    { return p.store.db.Close() }
func (p *boltPeer) sessions() int   { return len(p.filled) + int(atomic.LoadInt64(&p.created)) }

// newSession makes what a client asks for. The private key is sealed, bound to the public one.
func (p *boltPeer) newSession(pair keyPair, source *rand.Rand) (*session, error) {
	private, err := p.store.seal(pair)
	now := time.Now()
	principals := 1 + p.chosen.sessions/perPrincipal
	return &session{
		label:      []byte("a benchmark's session"),
		principal:  []byte(fmt.Sprintf("principal-%06d@example.com", source.Intn(principals))),
		database:   []byte(fmt.Sprintf("database-%02d", source.Intn(databases))),
		created:    uint64(now.UnixMicro()),
		expiry:     uint64(now.Add(lifetime).UnixMicro()),
		generation: 1,
		lastUsed:   uint64(now.UnixMicro()),
		public:     pair.public,
		private:    private,
	}, err
}

// fill shares transactions, and syncs once, at the end. Its public keys are random bytes: nobody
// asks for them by more than their bytes, and a million real ones would take half a minute.
func (p *boltPeer) fill(count int) error {
	key := make([]byte, 32)
	if _, err := cryptorand.Read(key); err != nil {
		return err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return err
	}
	sealer, err := cipher.NewGCM(block)
	if err != nil {
		return err
	}
	if p.store, err = openBolt(p.path(), sealer); err != nil {
		return err
	}
	p.store.db.NoSync = true
	source := rand.New(rand.NewSource(1))
	for len(p.filled) < count {
		if err := p.fillSome(min(fillBatch, count-len(p.filled)), source); err != nil {
			return err
		}
	}
	p.store.db.NoSync = false
	return p.store.db.Sync()
}

func (p *boltPeer) fillSome(count int, source *rand.Rand) error {
	return p.store.db.Update(func(tx *bolt.Tx) error {
		for i := 0; i < count; i++ {
			pair := keyPair{make([]byte, keyBytes), make([]byte, keyBytes)}
			source.Read(pair.public)
			source.Read(pair.private)
			made, err := p.newSession(pair, source)
			if err != nil {
				return err
			}
			if err := insert(tx, made); err != nil {
				return err
			}
			p.filled = append(p.filled, filledSession{made.alias, made.generation, made.public})
		}
		return nil
	})
}

func min(a, b int) int {
	if a < b {
		return a
	}
	return b
}

func max(a, b int) int {
	if a > b {
		return a
	}
	return b
}

func (p *boltPeer) questions() []question {
	return []question{
		{name: "create", prepare: p.creating, batch: 1},
		{name: "turn", prepare: p.turning, batch: 1},
		{name: "find", prepare: p.finding, batch: 1},
		{name: "find_key", prepare: p.findingKey, batch: 1},
		{name: "open", prepare: p.opening, batch: 1, once: true},
	}
}

func sourceOf(caller int) *rand.Rand {
	return rand.New(rand.NewSource(time.Now().UnixNano() + int64(caller)))
}

func (p *boltPeer) creating(caller, _ int) operation {
	source := sourceOf(caller)
	return func() error {
		pair, err := newKeyPair()
		if err != nil {
			return err
		}
		made, err := p.newSession(pair, source)
		if err != nil {
			return err
		}
		atomic.AddInt64(&p.created, 1)
		return p.store.create(made)
	}
}

func (p *boltPeer) turning(caller, callers int) operation {
	source := sourceOf(caller)
	own := max(1, len(p.filled)/callers) // of the filled sessions, every one of so many
	return func() error {
		chosen := &p.filled[(source.Intn(own)*callers+caller)%len(p.filled)]
		err := p.store.turn(chosen.alias, chosen.generation)
		chosen.generation++
		return err
	}
}

func (p *boltPeer) finding(caller, _ int) operation {
	source := sourceOf(caller)
	return func() error {
		wanted := &p.filled[source.Intn(len(p.filled))]
		found, err := p.store.find(wanted.alias)
		if err == nil && !bytes.Equal(found.public, wanted.public) {
			err = errors.New("another session was found")
		}
		return err
	}
}

func (p *boltPeer) findingKey(caller, _ int) operation {
	source := sourceOf(caller)
	return func() error {
		wanted := &p.filled[source.Intn(len(p.filled))]
		found, err := p.store.findKey(wanted.public)
		if err == nil && found.alias != wanted.alias {
			err = errors.New("another session was found")
		}
		return err
	}
}

// opening closes the store, opens it again, and waits until every session has been read.
func (p *boltPeer) opening(_, _ int) operation {
	return func() error {
		if err := p.store.db.Close(); err != nil {
			return err
		}
		var err error
		if p.store, err = openBolt(p.path(), p.store.sealer); err != nil {
			return err
		}
		count, err := p.store.loadAll()
		if err == nil && count != p.sessions() {
			err = fmt.Errorf("%d sessions of %d", count, p.sessions())
		}
		return err
	}
}

func main() {
	chosen := parseOptions()
	serve(&boltPeer{chosen: chosen}, chosen)
}
