"""A program with redis-om and one with coredis: $1 is which, $2 the port. What they print is compared between servers."""
import asyncio
import os
import sys


def with_redis_om(port):
    # Some of its calls ask the default connection, which this variable names.
    os.environ["REDIS_OM_URL"] = f"redis://127.0.0.1:{port}"
    from redis_om import EmbeddedJsonModel, JsonModel, NotFoundError, get_redis_connection

    class Address(EmbeddedJsonModel, index=True):
        city: str
        zip: str | None = None

    class Customer(JsonModel, index=True):
        name: str
        age: int
        tags: list[str] = []
        address: Address

        class Meta:
            database = get_redis_connection(url=f"redis://127.0.0.1:{port}", decode_responses=True)

    customer = Customer(pk="one", name="Alice", age=30, tags=["a"], address=Address(city="Paris"))
    customer.save()
    found = Customer.get("one")
    print(found == customer, found)
    found.age += 1
    found.tags.append("b")
    found.save()
    found.update(name="Bob", address__city="Lyon")
    print(Customer.get("one"))
    print(list(Customer.all_pks()))
    found.expire(100)
    print(0 < Customer.db().ttl(found.key()) <= 100)
    Customer.delete("one")
    try:
        print(Customer.get("one"))
    except NotFoundError:
        print("gone")


async def with_coredis(port):
    import coredis
    for database in (0, 1):
        async with coredis.Redis(port=port, decode_responses=True, db=database) as client:
            documents = client.json
            print(await documents.set("k", "$", {"a": 1, "b": [1, 2], "s": "x", "t": True}), await documents.get("k"))
            print(await documents.get("k", "$.a"), await documents.type("k", "$.*"), await documents.numincrby("k", "$.a", 2))
            print(await documents.arrappend("k", [3], "$.b"), await documents.arrlen("k", "$.b"), await documents.arrpop("k", "$.b"))
            print(await documents.objkeys("k", "$"), await documents.objlen("k", "$"), await documents.strlen("k", "$.s"))
            print(await documents.toggle("k", "$.t"), await documents.merge("k", "$", {"z": 1}), await documents.mget(["k", "no"], "$.a"))
            print(await documents.delete("k", "$.a"), await documents.get("k"), await documents.resp("k", "$"), await documents.clear("k", "$"))
            print([module["name"] for module in await client.module_list() if module["name"] == "ReJSON"])


if __name__ == "__main__":
    if sys.argv[1] == "redis-om":
        with_redis_om(int(sys.argv[2]))
    else:
        asyncio.run(with_coredis(int(sys.argv[2])))
