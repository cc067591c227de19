"""OpenAI's Python SDK with the emulator: every call of files, uploads and vector stores,
by the synchronous and by the asynchronous client, their helpers, and errors by class.

Each scenario is written once. The client under test is wrapped: a call of either kind
is awaited and noted, so that the last test can check that none was left out.
"""

import asyncio
import hashlib
import inspect
import io
import pathlib
import tempfile
import unittest
import warnings

import openai
from emulator import Emulator

RESOURCES = ["files", "uploads", "uploads.parts", "vector_stores", "vector_stores.files", "vector_stores.file_batches"]
VIEWS = ("with_raw_response", "with_streaming_response")


def methods(resource):
    """Returns the names of the calls that a resource itself has."""
    return {
        name
        for name, value in vars(type(resource)).items()
        if not name.startswith("_") and inspect.isfunction(value)
    }


class Noted:
    """A resource of either client, whose calls are awaited and noted."""

    def __init__(self, resource, name, called):
        self._resource, self._name, self._called = resource, name, called

    def __getattr__(self, attribute):
        value = getattr(self._resource, attribute)
        if not callable(value):
            if attribute in VIEWS:
                return Noted(value, self._name, set())
            return Noted(value, f"{self._name}.{attribute}".lstrip("."), self._called)

        def call(*args, **kwargs):
            self._called.add(f"{self._name}.{attribute}")
            return Result(value(*args, **kwargs))

        return call


class Result:
    """The result of a call: await it, or iterate over it when it is a list."""

    def __init__(self, value):
        self._value = value

    def __await__(self):
        async def resolve():
            return await self._value if inspect.isawaitable(self._value) else self._value

        return resolve().__await__()

    async def __aiter__(self):
        if hasattr(self._value, "__aiter__"):
            async for item in self._value:
                yield item
        else:
            for item in self._value:
                yield item

    async def all(self):
        return [item async for item in self]


class Scenarios:
    """Scenarios that a subclass runs for each client."""

    client_class = None

    @classmethod
    def setUpClass(cls):
        cls.emulator = Emulator("-index-time", "200ms", "-poll-after", "50ms", "-quirk", "octet_stream_uploads")
        cls.called = set()

    @classmethod
    def tearDownClass(cls):
        cls.emulator.close()

    async def asyncSetUp(self):
        asyncio.get_running_loop().slow_callback_duration = 60  # the synchronous client blocks the loop
        self.sdk = self.client_class(api_key="sk-test", base_url=self.emulator.url, max_retries=0, timeout=20)
        self.client = Noted(self.sdk, "", self.called)

    async def asyncTearDown(self):
        self.emulator.control("DELETE", "/faults")
        closed = self.sdk.close()
        if inspect.isawaitable(closed):
            await closed

    async def upload(self, name, content="Cats sleep."):
        return await self.client.files.create(file=(name, content.encode()), purpose="assistants")

    async def store_with(self, **documents):
        store = await self.client.vector_stores.create(name="docs")
        for name, (text, attributes) in documents.items():
            file = await self.upload(name + ".md", text)
            await self.client.vector_stores.files.create_and_poll(file.id, vector_store_id=store.id, attributes=attributes)
        return store

    async def test_files(self):
        files = self.client.files
        file = await self.upload("naïve ☃.md", "hello")
        self.assertEqual((file.filename, file.bytes, file.purpose, file.status), ("naïve ☃.md", 5, "assistants", "processed"))
        self.assertIsNone(file.status_details)
        expiring = await files.create(
            file=("jobs.jsonl", b"{}"), purpose="batch", expires_after={"anchor": "created_at", "seconds": 3600}
        )
        self.assertEqual(expiring.expires_at, expiring.created_at + 3600)
        self.assertEqual((await files.retrieve(file.id)).id, file.id)
        self.assertEqual((await files.wait_for_processing(file.id)).status, "processed")
        self.assertEqual((await files.content(expiring.id)).read(), b"{}")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            self.assertEqual(await files.retrieve_content(expiring.id), "{}")
        listed = await files.list(limit=1, order="asc", purpose="batch").all()
        self.assertIn(expiring.id, [f.id for f in listed])
        self.assertNotIn(file.id, [f.id for f in listed])
        self.assertTrue((await files.delete(file.id)).deleted)
        with self.assertRaises(openai.NotFoundError):
            await files.retrieve(file.id)

    async def test_uploads(self):
        uploads = self.client.uploads
        started = await uploads.create(filename="a.md", purpose="assistants", bytes=10, mime_type="text/markdown")
        self.assertEqual(started.status, "pending")
        parts = [await uploads.parts.create(started.id, data=data) for data in (b"world", b"hello")]
        md5 = hashlib.md5(b"helloworld").hexdigest()
        with self.assertRaises(openai.BadRequestError):
            await uploads.complete(started.id, part_ids=[p.id for p in parts], md5=md5)
        done = await uploads.complete(started.id, part_ids=[parts[1].id, parts[0].id], md5=md5)
        self.assertEqual((done.status, done.file.bytes, done.file.filename), ("completed", 10, "a.md"))
        cancelled = await uploads.create(filename="b.md", purpose="assistants", bytes=1, mime_type="application/octet-stream")
        self.assertEqual((await uploads.cancel(cancelled.id)).status, "cancelled")

    async def test_an_upload_in_chunks(self):
        content = b"chunk by chunk " * 100
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "chunks.md")
            path.write_bytes(content)
            of_disk = await self.client.uploads.upload_file_chunked(
                file=path, mime_type="text/markdown", purpose="assistants", part_size=400, md5=hashlib.md5(content).hexdigest()
            )
        of_memory = await self.client.uploads.upload_file_chunked(
            file=content, filename="chunks.md", bytes=len(content), mime_type="text/markdown", purpose="assistants", part_size=700
        )
        for upload in (of_disk, of_memory):
            self.assertEqual((upload.status, upload.file.bytes), ("completed", len(content)))
        sums = {f["id"]: f["sha256"] for f in self.emulator.control("GET", "/snapshot")["files"]}
        self.assertEqual(sums[of_disk.file.id], hashlib.sha256(content).hexdigest())
        self.assertEqual(sums[of_memory.file.id], hashlib.sha256(content).hexdigest())

    async def test_stores(self):
        stores = self.client.vector_stores
        file = await self.upload("a.md")
        made = await stores.create(
            name="docs", file_ids=[file.id], metadata={"team": "a"}, expires_after={"anchor": "last_active_at", "days": 7},
            chunking_strategy={"type": "static", "static": {"max_chunk_size_tokens": 200, "chunk_overlap_tokens": 100}},
        )
        self.assertEqual((made.file_counts.total, made.expires_after.days, made.metadata), (1, 7, {"team": "a"}))
        updated = await stores.update(made.id, name="renamed", expires_after=None)
        self.assertEqual((updated.name, updated.expires_after), ("renamed", None))
        self.assertEqual((await stores.retrieve(made.id)).name, "renamed")
        nameless = await stores.create()
        self.assertIsNone(nameless.name)
        listed = [s.id for s in await stores.list(limit=1).all()]
        self.assertEqual(listed[:2], [nameless.id, made.id])
        for store in (made, nameless):
            self.assertTrue((await stores.delete(store.id)).deleted)
            with self.assertRaises(openai.NotFoundError):
                await stores.retrieve(store.id)

    async def test_a_search(self):
        store = await self.store_with(
            france=("The capital of France is Paris.", {"lang": "en", "year": 2024}),
            chats=("Les chats dorment.", {"lang": "fr", "year": 2020}),
        )
        search = self.client.vector_stores.search
        best, *_ = await search(store.id, query="What is the capital of France?", max_num_results=3).all()
        self.assertEqual((best.filename, best.content[0].text), ("france.md", "The capital of France is Paris."))
        self.assertGreater(best.score, 0.3)
        for filters, want in [
            ({"type": "eq", "key": "lang", "value": "fr"}, ["chats.md"]),
            ({"type": "and", "filters": [{"type": "gt", "key": "year", "value": 2020}, {"type": "ne", "key": "lang", "value": "fr"}]}, ["france.md"]),
            ({"type": "in", "key": "lang", "value": ["de", "it"]}, []),
        ]:
            found = await search(store.id, query=["cats", "France"], filters=filters, ranking_options={"score_threshold": 0.0}).all()
            self.assertEqual([r.filename for r in found], want)

    async def test_store_files(self):
        files = self.client.vector_stores.files
        store = await self.client.vector_stores.create(name="docs")
        file = await self.upload("cats.md")
        attached = await files.create(store.id, file_id=file.id, attributes={"lang": "en", "year": 2024.0, "draft": False})
        self.assertEqual((attached.status, attached.attributes), ("in_progress", {"lang": "en", "year": 2024.0, "draft": False}))
        polled = await files.poll(file.id, vector_store_id=store.id)
        self.assertEqual((polled.status, polled.last_error, polled.usage_bytes), ("completed", None, 11 + 1024))
        updated = await files.update(file.id, vector_store_id=store.id, attributes={"lang": "fr"})
        self.assertEqual(updated.attributes, {"lang": "fr"})
        self.assertEqual((await files.retrieve(file.id, vector_store_id=store.id)).attributes, {"lang": "fr"})
        self.assertEqual([c.text for c in await files.content(file.id, vector_store_id=store.id).all()], ["Cats sleep."])

        polled = await files.create_and_poll((await self.upload("dogs.md", "Dogs bark.")).id, vector_store_id=store.id, attributes={"n": 1})
        self.assertEqual(polled.status, "completed")
        uploaded = await files.upload(vector_store_id=store.id, file=("cows.md", b"Cows moo."))
        self.assertIn(uploaded.status, ("in_progress", "completed"))
        uploaded = await files.upload_and_poll(vector_store_id=store.id, file=("hens.md", b"Hens cluck."))
        self.assertEqual(uploaded.status, "completed")
        listed = await files.list(store.id, limit=1, order="asc", filter="completed").all()
        self.assertEqual(listed[0].id, file.id)
        self.assertGreaterEqual(len(listed), 3)
        self.assertEqual(await files.list(store.id, filter="failed").all(), [])
        self.assertTrue((await files.delete(file.id, vector_store_id=store.id)).deleted)
        with self.assertRaises(openai.NotFoundError):
            await files.retrieve(file.id, vector_store_id=store.id)
        self.assertEqual((await self.client.files.retrieve(file.id)).id, file.id)

    async def test_batches(self):
        batches = self.client.vector_stores.file_batches
        store = await self.client.vector_stores.create(name="docs")
        files = [await self.upload(name) for name in ("a.md", "b.md", "c.md")]
        batch = await batches.create(store.id, files=[{"file_id": f.id, "attributes": {"name": f.filename}} for f in files])
        self.assertEqual((batch.status, batch.file_counts.in_progress), ("in_progress", 3))
        self.assertEqual((await batches.poll(batch.id, vector_store_id=store.id)).file_counts.completed, 3)
        self.assertEqual((await batches.retrieve(batch.id, vector_store_id=store.id)).status, "completed")
        listed = await batches.list_files(batch.id, vector_store_id=store.id, limit=2, order="asc").all()
        self.assertEqual([f.attributes["name"] for f in listed], ["a.md", "b.md", "c.md"])
        more = await batches.create(store.id, file_ids=[(await self.upload("d.md")).id])
        self.assertEqual((await batches.cancel(more.id, vector_store_id=store.id)).status, "cancelled")
        polled = await batches.create_and_poll(store.id, file_ids=[(await self.upload("e.md")).id])
        self.assertEqual(polled.status, "completed")
        uploaded = await batches.upload_and_poll(store.id, files=[("f.md", io.BytesIO(b"f")), ("g.md", io.BytesIO(b"g"))])
        self.assertEqual(uploaded.file_counts.completed, 2)

    async def test_raw_and_streamed_replies(self):
        raw = await self.client.files.with_raw_response.create(file=("a.md", b"x"), purpose="assistants")
        self.assertTrue(raw.headers["x-request-id"].startswith("req_"))
        parsed = raw.parse()
        parsed = await parsed if inspect.isawaitable(parsed) else parsed
        self.assertEqual(parsed.filename, "a.md")
        vision = await self.client.files.create(file=("a.png", b"as it was"), purpose="vision")
        content = await self.client.files.with_raw_response.content(vision.id)
        self.assertEqual(content.headers["content-type"], "application/octet-stream")
        self.assertEqual(content.headers["content-disposition"], 'attachment; filename="a.png"')

    async def test_errors_by_class(self):
        for status, error in {
            400: openai.BadRequestError, 401: openai.AuthenticationError, 403: openai.PermissionDeniedError, 404: openai.NotFoundError,
            409: openai.ConflictError, 422: openai.UnprocessableEntityError, 429: openai.RateLimitError, 500: openai.InternalServerError,
            503: openai.InternalServerError,
        }.items():
            self.emulator.inject(kind="status", status=status, code="some_code", message="no")
            with self.subTest(status), self.assertRaises(error) as raised:
                await self.client.files.list()
            self.assertEqual((raised.exception.status_code, raised.exception.code), (status, "some_code"))
            self.assertTrue(raised.exception.request_id.startswith("req_"))
        self.emulator.inject(kind="cut")
        with self.assertRaises(openai.APIConnectionError):
            await self.client.files.list()
        self.emulator.inject(kind="hang")
        with self.assertRaises(openai.APITimeoutError):
            await self.client.files.list(timeout=0.2)

    async def test_refusals_carry_their_fields(self):
        store = await self.client.vector_stores.create(name="docs")
        photo = await self.upload("photo.png")
        for refused, want in [
            (lambda: self.client.vector_stores.files.create(store.id, file_id=photo.id), ("unsupported_file", "file_ids")),
            (lambda: self.client.vector_stores.files.create(store.id, file_id=photo.id, attributes={str(i): i for i in range(17)}), ("object_above_max_properties", "attributes")),
            (lambda: self.client.vector_stores.search(store.id, query="x", max_num_results=51), ("integer_above_max_value", "max_num_results")),
            (lambda: self.upload("empty.md", ""), (None, "file")),
        ]:
            with self.assertRaises(openai.BadRequestError) as raised:
                await refused()
            self.assertEqual((raised.exception.code, raised.exception.param), want)
            self.assertEqual(raised.exception.type, "invalid_request_error")

    async def test_a_retry_outlasts_a_fault(self):
        self.emulator.inject(path="/files", kind="status", status=503, times=2)
        patient = self.sdk.with_options(max_retries=2)
        await Result(patient.files.list())
        log = [r["status"] for r in self.emulator.control("GET", "/requests")[-3:]]
        self.assertEqual(log, [503, 503, 200])

    async def test_zz_no_call_was_left_out(self):
        """Its name makes it run last."""
        for name in RESOURCES:
            resource = self.sdk
            for part in name.split("."):
                resource = getattr(resource, part)
            left = {m for m in methods(resource) if f"{name}.{m}" not in self.called}
            self.assertEqual(left, set(), f"calls of {name} that no test makes")


class SynchronousClient(Scenarios, unittest.IsolatedAsyncioTestCase):
    client_class = openai.OpenAI


class AsynchronousClient(Scenarios, unittest.IsolatedAsyncioTestCase):
    client_class = openai.AsyncOpenAI


if __name__ == "__main__":
    unittest.main()
